"""A push to a hospital, which has its own patients: they are found and never written, and who is not found waits."""

import pytest

from fhir_pmp.ehr.config.destinations import PatientOwnership
from fhir_pmp.ehr.config.work_item_kinds import NOT_LINKED
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from tests.fault_injection.fault_proxy import FaultProxy
from tests.integration.ehr.sample_resources import (
    MEDICARE,
    add_people,
    document,
    everything_about,
    organization,
    publish,
    publish_people,
    questionnaire_response,
    score,
)
from tests.integration.ehr.sync_harness import EhrObserver, Resource, SyncHarness, destination

TYPES = [
    "Organization",
    "EpisodeOfCare",
    "QuestionnaireResponse",
    "Observation",
    "DocumentReference",
    "Bundle",
]


@pytest.fixture(autouse=True)
def hospital(harness: SyncHarness) -> None:
    """The service pushes to a hospital, which owns its Patients."""
    harness.destination = destination(PatientOwnership.THEIRS, types=TYPES)


def add_hospital_patient(ehr: EhrObserver, n: int, **more: object) -> str:
    """The hospital knows person `n`; under which id it says itself."""
    patient: Resource = {
        "resourceType": "Patient",
        "identifier": [{"system": MEDICARE, "value": f"m{n}"}],
        "name": [{"family": "Written otherwise there"}],
        "birthDate": "1970-01-02",
        **more,
    }
    patient = {name: value for name, value in patient.items() if value is not None}
    response = ehr.ask("POST", "Patient", patient)
    assert response.status_code == 201
    return f"Patient/{response.json()['id']}"


def test_the_patient_is_found_and_referred_to_and_never_written(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    theirs = add_hospital_patient(ehr, 1)
    publish_people(harness.store, 1)
    assert harness.push().counts == {"sent": 1 + 7, "not_wanted": 1}
    subject = ehr.get("QuestionnaireResponse/response-1-1")["subject"]
    assert subject == {"reference": theirs, "display": "the person"}
    assert ehr.get("Observation/score-1-1")["subject"] == {"reference": theirs}
    assert ehr.versions(theirs) == 1
    assert len(ehr.all("Patient")) == 1


@pytest.mark.promise("P10")
def test_identifiers_stand_in_no_address(harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy) -> None:
    add_hospital_patient(ehr, 1)
    publish_people(harness.store, 1)
    harness.push()
    searches = [seen for seen in proxy.seen if seen.path.endswith("Patient/_search")]
    assert [seen.method for seen in searches] == ["POST"]
    assert not any("m1" in seen.path for seen in proxy.seen)


def test_a_document_keeps_what_it_holds(harness: SyncHarness, ehr: EhrObserver) -> None:
    add_hospital_patient(ehr, 1)
    add_people(harness.store, [1])
    publish(harness.store, [organization(), document(1)])
    harness.push()
    (entry,) = ehr.get("Bundle/document-1")["entry"]
    assert entry["resource"]["subject"] == {"reference": "Patient/patient-1"}


def test_the_bytes_that_were_truly_sent_are_kept(harness: SyncHarness, ehr: EhrObserver) -> None:
    theirs = add_hospital_patient(ehr, 1)
    publish_people(harness.store, 1)
    harness.push()
    (delivery,) = [d for d in harness.deliveries() if d.reference == "Observation/score-1-1"]
    with harness.store.read() as uow:
        sent = uow.deliveries.sent_bytes(delivery.seq)
    assert sent is not None
    assert f'"subject":{{"reference":"{theirs}"}}'.encode() in sent
    assert b"Patient/patient-1" not in sent


@pytest.mark.promise("P4")
@pytest.mark.parametrize(
    ("known", "reason", "counts"),
    [
        ([], "no patient with this identifier", (0, 0, 0)),
        ([{}, {}], "several active patients match", (2, 0, 0)),
        ([{"birthDate": "1970-01-03"}], "the patient with this identifier has another birth date", (0, 1, 0)),
        ([{"active": False}], "the patient who matches is not active", (0, 0, 1)),
        ([{"birthDate": None}], "the patient with this identifier has another birth date", (0, 1, 0)),
    ],
    ids=["none", "several", "another birth date", "not active", "no birth date"],
)
def test_who_is_not_found_once_waits_with_a_work_item_and_others_go(
    harness: SyncHarness,
    ehr: EhrObserver,
    known: list[dict[str, object]],
    reason: str,
    counts: tuple[int, int, int],
) -> None:
    for more in known:
        add_hospital_patient(ehr, 1, **more)
    add_hospital_patient(ehr, 2)
    publish_people(harness.store, 2)
    pushed = harness.push()
    assert pushed.counts == {"sent": 1 + 7, "not_wanted": 1, "waiting": 8}
    waiting = [d for d in harness.deliveries() if d.state.value == "waiting"]
    assert {(d.person, d.attempts, d.first_attempt_at) for d in waiting} == {("patient-1", 0, None)}
    (item,) = harness.work_items()
    assert (item.kind, item.role, item.person) == (NOT_LINKED, "clinician", "patient-1")
    assert item.details["reason"] == reason
    assert tuple(item.details[name] for name in ("matches", "other_birth_date", "not_active")) == counts
    assert "m1" not in str(item.details)


def test_one_inactive_beside_one_active_match_is_no_doubt(harness: SyncHarness, ehr: EhrObserver) -> None:
    add_hospital_patient(ehr, 1, active=False)
    add_hospital_patient(ehr, 1, link=[{"other": {"reference": "Patient/1"}, "type": "replaced-by"}])
    theirs = add_hospital_patient(ehr, 1, active=True)
    publish_people(harness.store, 1)
    harness.push()
    assert ehr.get("Observation/score-1-1")["subject"]["reference"] == theirs


def test_the_search_repeats_hourly_and_releases_the_lane_in_order(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    add_hospital_patient(ehr, 1)
    harness.later(minutes=50)
    assert harness.push().counts == {}
    harness.later(minutes=11)
    assert harness.push().counts == {"sent": 7, "not_wanted": 1}
    assert harness.work_items() == []


def test_a_link_is_remembered_and_not_searched_again(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    theirs = add_hospital_patient(ehr, 1)
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [score(1, 1, "5.00")])
    assert harness.push().counts == {"sent": 1}
    assert sum(seen.path.endswith("_search") for seen in proxy.seen) == 1
    with harness.store.read() as uow:
        link = uow.remote_ids.find(harness.destination.id, "Patient/patient-1")
    assert link is not None
    assert (link.remote_reference, link.how) == (theirs, "one active match")


@pytest.mark.promise("P4")
def test_what_is_published_while_somebody_waits_does_not_overtake(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 1, each=1)
    harness.push()
    publish(harness.store, [questionnaire_response(1, 2), score(1, 2)])
    harness.push()
    assert harness.states()["waiting"] == 6
    assert ehr.all("Observation") == []


def test_a_reference_to_a_type_that_is_not_taken_becomes_type_and_identifier(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    harness.destination = destination(PatientOwnership.THEIRS, types=["Organization", "Observation"])
    add_hospital_patient(ehr, 1)
    publish_people(harness.store, 1)
    assert harness.push().counts == {"sent": 1 + 3, "not_wanted": 5}
    assert ehr.get("Observation/score-1-1")["derivedFrom"] == [
        {"type": "QuestionnaireResponse", "identifier": {"system": "urn:test:response", "value": "1-1"}}
    ]
    reasons = {d.type: d.reason for d in harness.deliveries() if d.state.value == "not_wanted"}
    assert reasons["Patient"] == "the destination keeps its own patients"
    assert reasons["QuestionnaireResponse"] == "the destination file does not name this type"


def test_an_amendment_keeps_the_hospitals_patient(harness: SyncHarness, ehr: EhrObserver) -> None:
    theirs = add_hospital_patient(ehr, 1)
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [*everything_about(1)[1:], score(1, 1, "5.00", status="amended")])
    harness.push()
    there = ehr.get("Observation/score-1-1")
    assert (there["status"], there["subject"]["reference"]) == ("amended", theirs)


def test_what_we_cannot_render_is_for_a_person_and_holds_up_nothing_else(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    for n in (1, 2):
        add_hospital_patient(ehr, n)
    publish_people(harness.store, 2)
    poison = score(1, 9)
    broken = RenderedResource(
        poison.type,
        poison.id,
        poison.head,
        b"}}",
        poison.sharing,
        poison.person,
        poison.episode,
        refs=poison.refs,
    )
    publish(harness.store, [broken])
    assert harness.push().counts == {"sent": 1 + 7 + 7, "not_wanted": 2, "dead": 1}
    assert harness.state_of("Observation/score-2-1") == "sent"
    assert harness.state_of("Observation/score-1-1") == "sent"
    assert harness.state_of("Observation/score-1-9") == "dead"
    (item,) = harness.work_items()
    assert (item.role, item.details["status"]) == ("administrator", None)
