"""A person's link to the hospital's Patient: looked at before each sending, lost when it is not in use, decided by people."""

import pytest

from fhir_pmp.ehr.config.destinations import PatientOwnership
from fhir_pmp.ehr.identity.patient_link import NotThisPatient, decide_link
from fhir_pmp.identifiers import PersonId
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault
from tests.integration.ehr.pull_and_reconcile import audited, checked, edit, pull, put, reconcile
from tests.integration.ehr.sample_resources import HOSPITAL, MEDICARE, publish, publish_people, score
from tests.integration.ehr.sync_harness import EhrObserver, Resource, SyncHarness, destination

PERSON = PersonId("patient-1")


def at_the_hospital(n: int, id_: str, **more: object) -> Resource:
    """Person `n` as the hospital knows them."""
    identifier = [{"system": MEDICARE, "value": f"m{n}"}]
    return {
        "resourceType": "Patient", "id": id_, "identifier": identifier, "birthDate": "1970-01-02", **more,
    }  # fmt: skip


@pytest.fixture
def linked(harness: SyncHarness, ehr: EhrObserver) -> SyncHarness:
    """Person 1's record is at the hospital, under its own Patient."""
    harness.destination = destination(PatientOwnership.THEIRS)
    put(ehr, at_the_hospital(1, "hospital-1"))
    publish_people(harness.store, 1)
    assert harness.push_until_quiet()["sent"] == 1 + 7
    return harness


def link(harness: SyncHarness, patient: str = "hospital-2") -> int:
    """A clinician's decision."""
    return decide_link(
        harness.store,
        harness.client,
        HOSPITAL,
        PERSON,
        f"Patient/{patient}",
        who="command:deliveries",
        now=harness.now,
    )


def theirs(harness: SyncHarness) -> str | None:
    """What the hospital calls person 1."""
    with harness.store.read() as uow:
        found = uow.remote_ids.find(HOSPITAL, f"Patient/{PERSON}")
    return None if found is None else found.remote_reference


def what_happens(ehr: EhrObserver, how: str) -> None:
    """The hospital merges the record into another, puts it out of use, or deletes it."""
    if how == "replaced":
        other = [{"other": {"reference": "Patient/hospital-2"}, "type": "replaced-by"}]
        edit(ehr, "Patient/hospital-1", link=other)
    elif how == "not active":
        edit(ehr, "Patient/hospital-1", active=False)


@pytest.mark.promise("P23")
@pytest.mark.parametrize("how", ["replaced", "not active"])
def test_a_pulled_patient_that_is_not_in_use_any_more_makes_its_lane_wait_for_a_clinician(
    linked: SyncHarness, ehr: EhrObserver, how: str
) -> None:
    put(ehr, at_the_hospital(1, "hospital-2"))
    what_happens(ehr, how)
    assert pull(linked)["links lost"] == 1
    assert theirs(linked) is None
    (item,) = linked.work_items()
    assert (item.kind, item.role, item.person) == ("patient_link_lost", "clinician", PERSON)
    publish(linked.store, [score(1, 1, "9.00")])
    # Another record bears the same number: a machine does not choose it after a merge.
    assert linked.push().counts == {"waiting": 1}
    with linked.store.read() as uow:
        ((was, why),) = uow.remote_ids.list_former(HOSPITAL, f"Patient/{PERSON}")
    assert was == "Patient/hospital-1"
    assert why == {"replaced": "it was replaced by another", "not active": "it is not active"}[how]
    (row,) = audited(linked, "patient link lost at hospital")
    assert (row.resources, row.persons) == (("Patient/hospital-1",), (PERSON,))


@pytest.mark.promise("P23")
@pytest.mark.parametrize("how", ["replaced", "not active"])
def test_a_push_looks_at_the_patient_before_it_sends_anything_about_it(
    linked: SyncHarness, ehr: EhrObserver, proxy: FaultProxy, how: str
) -> None:
    what_happens(ehr, how)
    publish(linked.store, [score(1, 1, "9.00")])
    written_bodies = len(proxy.written_bodies())
    assert linked.push().counts == {"waiting": 1}
    assert len(proxy.written_bodies()) == written_bodies
    assert [item.kind for item in linked.work_items()] == ["patient_link_lost"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_push_that_meets_no_patient_any_more_waits_for_a_clinician(
    linked: SyncHarness, proxy: FaultProxy, status: int
) -> None:
    publish(linked.store, [score(1, 1, "9.00")])
    proxy.plan = lambda call: (
        InjectedFault("gone", status=status) if call.path.endswith("Patient/hospital-1") else None
    )
    assert linked.push().counts == {"waiting": 1}
    assert theirs(linked) is None
    assert [item.kind for item in linked.work_items()] == ["patient_link_lost"]


def test_a_sick_hospital_loses_no_link(linked: SyncHarness, proxy: FaultProxy) -> None:
    publish(linked.store, [score(1, 1, "9.00")])
    proxy.plan = lambda call: InjectedFault("sick", status=503) if "Patient/" in call.path else None
    assert linked.push().counts == {"put_back": 1}
    assert theirs(linked) == "Patient/hospital-1"


def test_the_comparison_finds_links_that_are_lost(linked: SyncHarness, ehr: EhrObserver) -> None:
    what_happens(ehr, "not active")
    assert reconcile(linked, dry_run=True).counts["links_lost"] == 1
    assert theirs(linked) == "Patient/hospital-1"
    assert reconcile(linked).counts["links_lost"] == 1
    assert theirs(linked) is None


@pytest.mark.promise("P23")
def test_a_decided_link_sends_what_waited_and_what_stood_under_the_former_patient(
    linked: SyncHarness, ehr: EhrObserver
) -> None:
    put(ehr, at_the_hospital(1, "hospital-2"))
    what_happens(ehr, "replaced")
    pull(linked)
    publish(linked.store, [score(1, 1, "9.00")])
    linked.push()
    assert link(linked) == 7 + 1
    assert linked.work_items() == []
    linked.push_until_quiet()
    subjects = {r["subject"]["reference"] for r in ehr.all("Observation") + ehr.all("QuestionnaireResponse")}
    assert subjects == {"Patient/hospital-2"}
    assert checked(linked, ehr.address).is_clean
    assert linked.work_items() == []
    (row,) = audited(linked, "patient linked at hospital")
    assert (row.who, row.resources, row.persons) == ("command:deliveries", ("Patient/hospital-2",), (PERSON,))
    assert pull(linked)["edited"] == 0


def test_a_hospital_that_moves_our_resources_with_the_merge_leaves_nothing_to_decide_once_it_is_linked(
    linked: SyncHarness, ehr: EhrObserver
) -> None:
    put(ehr, at_the_hospital(1, "hospital-2"))
    for k in (1, 2, 3):
        moved = ehr.get(f"Observation/score-1-{k}")["subject"] | {"reference": "Patient/hospital-2"}
        edit(ehr, f"Observation/score-1-{k}", subject=moved)
    what_happens(ehr, "replaced")
    pull(linked)
    link(linked)
    linked.push_until_quiet()
    assert linked.work_items() == []
    assert ehr.versions("Observation/score-1-1") == 2  # as the hospital moved it: not written again


@pytest.mark.promise("P23")
@pytest.mark.parametrize(
    ("why", "patient"),
    [
        ("not active", at_the_hospital(1, "hospital-2", active=False)),
        ("another birth date", at_the_hospital(1, "hospital-2", birthDate="1970-02-01")),
        ("not there", None),
    ],
)
def test_a_patient_that_does_not_fit_is_not_linked(
    linked: SyncHarness, ehr: EhrObserver, why: str, patient: Resource | None
) -> None:
    if patient is not None:
        put(ehr, patient)
    with pytest.raises(NotThisPatient):
        link(linked)
    assert theirs(linked) == "Patient/hospital-1", why


def test_a_person_who_waits_is_looked_for_again_when_the_hospital_changes_the_patient(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    harness.destination = destination(PatientOwnership.THEIRS)
    publish_people(harness.store, 1)
    assert harness.push_until_quiet()["waiting"] == 8
    put(ehr, at_the_hospital(2, "hospital-9"))
    assert pull(harness)["looked for again"] == 0
    put(ehr, at_the_hospital(1, "hospital-1"))
    assert pull(harness)["looked for again"] == 1
    assert harness.push().counts["sent"] == 7


def test_a_strangers_patient_is_not_kept(harness: SyncHarness, ehr: EhrObserver) -> None:
    harness.destination = destination(PatientOwnership.THEIRS)
    put(ehr, at_the_hospital(77, "hospital-77", name=[{"family": "Canary"}]))
    pull(harness)
    with harness.store.read() as uow:
        assert uow.inbox.list_by_channel("pull") == []


def test_closing_the_question_by_hand_searches_anew(linked: SyncHarness, ehr: EhrObserver) -> None:
    put(ehr, at_the_hospital(1, "hospital-2"))
    what_happens(ehr, "replaced")
    pull(linked)
    publish(linked.store, [score(1, 1, "9.00")])
    linked.push()
    with linked.store.begin_without_publishing() as uow:
        uow.work_items.close(linked.work_items()[0].id, by="account:1", how="search again", now=linked.now)
    linked.later(hours=2)
    linked.push()
    assert theirs(linked) == "Patient/hospital-2"


@pytest.mark.promise("P23")
@pytest.mark.parametrize("reads", ["push", "pull", "reconcile"])
def test_a_patient_that_is_somebody_else_by_now_gets_nothing_of_this_person(
    linked: SyncHarness, ehr: EhrObserver, proxy: FaultProxy, reads: str
) -> None:
    """A server that was emptied and filled again gives its ids, and its version numbers, to others."""
    put(ehr, at_the_hospital(2, "hospital-1", birthDate="1950-01-01"))
    publish(linked.store, [score(1, 1, "9.00"), score(1, 9, derivedFrom=[])])
    written_bodies = len(proxy.written_bodies())
    if reads == "pull":
        pull(linked)
    elif reads == "reconcile":
        reconcile(linked)
    else:
        linked.push()
    assert theirs(linked) is None
    assert linked.push().counts["sent"] == 0
    assert len(proxy.written_bodies()) == written_bodies
    assert [item.kind for item in linked.work_items()] == ["patient_link_lost"]


@pytest.mark.parametrize(
    ("why", "patient"),
    [
        ("it bears another identifier", at_the_hospital(2, "hospital-1")),
        ("it has another birth date", at_the_hospital(1, "hospital-1", birthDate="1970-02-01")),
    ],
)
def test_a_link_is_lost_when_either_the_identifier_or_the_birth_date_is_anothers(
    linked: SyncHarness, ehr: EhrObserver, why: str, patient: Resource
) -> None:
    put(ehr, patient)
    publish(linked.store, [score(1, 1, "9.00")])
    assert linked.push().counts == {"waiting": 1}
    with linked.store.read() as uow:
        assert uow.remote_ids.list_former(HOSPITAL, f"Patient/{PERSON}") == [("Patient/hospital-1", why)]


def test_a_decided_link_stands_whatever_identifiers_the_patient_bears(
    linked: SyncHarness, ehr: EhrObserver
) -> None:
    put(ehr, at_the_hospital(2, "hospital-2"))
    link(linked)
    linked.push_until_quiet()
    publish(linked.store, [score(1, 1, "9.00")])
    assert linked.push().counts == {"sent": 1}
    assert theirs(linked) == "Patient/hospital-2"
