"""Patient, EpisodeOfCare, practices, Flag and Task: what they say, and what no fact may change."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fhir_pmp.fhir.administration.episode_of_care import build_episode_of_care
from fhir_pmp.fhir.administration.organization import build_practice, build_provider
from fhir_pmp.fhir.administration.patient import build_patient
from fhir_pmp.fhir.administration.practitioner import build_practice_practitioner
from fhir_pmp.fhir.measurement.flag import build_flag
from fhir_pmp.fhir.referral.relay import relay, repoint_references
from fhir_pmp.fhir.referral.task import build_task, only_status_differs
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.pathway.episode_states import TaskStatus
from fhir_pmp.pathway.facts import EpisodeState, Sharing
from tests.unit.fhir.every_resource import SERVICE_REQUEST, TASK
from tests.unit.fhir.examples import (
    ACKNOWLEDGED,
    CLIENT,
    CLINIC,
    EPISODE,
    EPISODE_FACTS,
    FLAG_FACTS,
    PERSON,
    PERSON_FACTS,
    PRACTICE,
    REFERRAL_FACTS,
    REFERRED_EPISODE,
)


def content(rendered: RenderedResource) -> dict[str, Any]:
    return read_fhir_json(rendered.content, max_bytes=10**6)


def task(status: TaskStatus, **fields: Any) -> dict[str, Any]:
    return content(build_task(CLINIC, REFERRAL_FACTS, TASK, status=status, **fields))


def test_a_person_s_name_is_data_whatever_characters_it_has() -> None:
    patient = content(build_patient(CLINIC, PERSON_FACTS, sharing=Sharing.RECORD))
    assert patient["name"] == [{"use": "official", "family": 'O\'Canary & "Sons"', "given": ["Ada <Test>"]}]
    assert (patient["gender"], patient["birthDate"]) == ("female", "1970-02-28")
    assert [one["value"] for one in patient["identifier"]] == [PERSON, "2953000000"]


def test_a_referred_patient_stays_as_the_practice_wrote_it_with_our_identifiers_added() -> None:
    wrote = {
        "resourceType": "Patient",
        "id": "p1",
        "meta": {"versionId": "1"},
        "identifier": [
            {
                "type": {"text": "MRN"},
                "system": "http://ns.electronichealth.net.au/id/medicare-number",
                "value": "2953000000",
            }
        ],
        "name": [{"family": "Canary", "given": ["A", "B"]}],
        "telecom": [{"system": "phone", "value": "0400"}],
        "birthDate": "1970-02-28",
    }
    rendered = build_patient(
        CLINIC, PERSON_FACTS, sharing=Sharing.REFERRAL, owner=CLIENT, received_patient=wrote
    )
    patient = content(rendered)
    assert (str(rendered.id), rendered.owner, rendered.sharing) == (str(PERSON), CLIENT, Sharing.REFERRAL)
    assert patient["name"] == wrote["name"]
    assert patient["telecom"] == wrote["telecom"]
    assert [one["value"] for one in patient["identifier"]] == ["2953000000", PERSON]
    assert patient["identifier"][0]["type"] == {"text": "MRN"}


def test_an_episode_tells_when_each_timepoint_is_due() -> None:
    episode = content(build_episode_of_care(CLINIC, EPISODE_FACTS))
    due = {
        one["extension"][0]["valueCoding"]["code"]: one["extension"][1]["valueDate"]
        for one in episode["extension"]
    }
    # Started 2026-01-04; enrolled 2025-12-20; post is due on day 56, follow-up on day 147.
    assert due == {
        "screening": "2025-12-20",
        "start": "2026-01-04",
        "post": "2026-03-01",
        "follow_up": "2026-05-31",
    }
    assert episode["status"] == "active"
    assert episode["period"] == {"start": "2026-01-04"}


def test_an_episode_that_was_referred_points_to_the_request() -> None:
    episode = content(build_episode_of_care(CLINIC, REFERRED_EPISODE))
    assert episode["referralRequest"] == [
        {"reference": f"ServiceRequest/{REFERRAL_FACTS.service_request_id}"}
    ]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (EpisodeState.REFERRED, "planned"),
        (EpisodeState.DECLINED, "cancelled"),
        (EpisodeState.COMMENCED, "active"),
        (EpisodeState.STOPPED, "finished"),
        (EpisodeState.NEVER_STARTED, "cancelled"),
    ],
)
def test_an_episode_of_care_says_where_the_episode_stands(state: EpisodeState, status: str) -> None:
    assert content(build_episode_of_care(CLINIC, replace(EPISODE_FACTS, state=state)))["status"] == status


def test_a_period_never_ends_before_it_starts() -> None:
    backwards = replace(EPISODE_FACTS, ended_on=date(2026, 1, 3))
    assert content(build_episode_of_care(CLINIC, backwards))["period"] == {"start": "2026-01-04"}
    before = replace(EPISODE_FACTS, started_on=None, enrolled_on=None)
    assert "period" not in content(build_episode_of_care(CLINIC, before))


def test_a_flag_is_active_until_a_clinician_has_acted() -> None:
    active, inactive = content(build_flag(CLINIC, FLAG_FACTS)), content(build_flag(CLINIC, ACKNOWLEDGED))
    assert (active["status"], inactive["status"]) == ("active", "inactive")
    assert active["period"] == {"start": "2026-03-01T00:00:00.000Z"}
    assert inactive["period"]["end"] == "2026-03-02T01:30:00.000Z"
    assert active["code"]["text"].endswith("more than half the days (2)")
    answer = CLINIC.ids.answer_id(FLAG_FACTS.response, FLAG_FACTS.item)
    assert active["extension"][0]["valueReference"] == {"reference": f"Observation/{answer}"}


def test_no_word_of_an_acknowledgement_leaves_with_the_flag() -> None:
    assert b"Phoned" not in build_flag(CLINIC, ACKNOWLEDGED).content


def test_a_practice_without_a_practitioner_gives_none() -> None:
    nameless = replace(PRACTICE, practitioner_id=None, practitioner_name=None)
    assert build_practice_practitioner(CLINIC, nameless, sharing=Sharing.DEFINITION) == ()


def test_what_is_not_known_of_an_organization_is_left_out() -> None:
    nameless = replace(PRACTICE, organization_identifier=None)
    assert "identifier" not in content(build_practice(nameless, sharing=Sharing.DEFINITION))
    provider = CLINIC.programme.provider
    elsewhere = replace(provider, address=replace(provider.address, state=None))
    abroad = replace(CLINIC, programme=replace(CLINIC.programme, provider=elsewhere))
    assert "state" not in content(build_provider(abroad))["address"][0]
    assert content(build_provider(CLINIC))["address"][0]["state"] == provider.address.state


def test_what_is_relayed_keeps_the_labels_that_restrict_it() -> None:
    request = REFERRAL_FACTS.service_request_id
    rendered = relay(SERVICE_REQUEST, request, person=PERSON, episode=EPISODE, owner=CLIENT)
    meta = read_fhir_json(rendered.with_version_meta(1, "2026-01-01T00:00:00.000Z"), max_bytes=10**5)["meta"]
    assert meta == {
        "versionId": "1",
        "lastUpdated": "2026-01-01T00:00:00.000Z",
        "security": [{"system": "http://example.org/labels", "code": "restricted"}],
    }


def test_references_are_re_pointed_at_any_depth_and_only_those_that_are_named() -> None:
    wrote = {
        "a": [{"b": {"reference": "urn:uuid:1"}}, {"reference": "#c"}],
        "reference": "urn:uuid:1",
        "c": "urn:uuid:1",
    }
    assert repoint_references(wrote, {"urn:uuid:1": "Patient/x"}) == {
        "a": [{"b": {"reference": "Patient/x"}}, {"reference": "#c"}],
        "reference": "Patient/x",
        "c": "urn:uuid:1",
    }


def test_a_task_stays_the_practice_s_with_our_part_written_on_it() -> None:
    document = CLINIC.ids.document_reference_id(CLINIC.ids.letter_id(EPISODE, "discharge", 1))
    built = task(TaskStatus.COMPLETED, outputs=(document,), modified="2026-03-05T14:04:05+11:00")
    assert built["status"] == "completed"
    assert built["businessStatus"] == {"text": "Fulfillment Completed"}
    assert built["focus"] == TASK["focus"]
    assert built["output"][0]["valueReference"] == {"reference": f"DocumentReference/{document}"}
    assert built["lastModified"] == "2026-03-05T14:04:05+11:00"
    assert built["identifier"][0] == TASK["identifier"][0]
    assert built["identifier"][1]["value"] == REFERRAL_FACTS.number
    assert built["owner"] == {"reference": f"Organization/{CLINIC.provider_id()}"}


def test_a_task_rendered_from_its_own_last_version_is_the_same_task() -> None:
    first = task(TaskStatus.ACCEPTED, modified="2026-03-05T14:04:05+11:00")
    again = build_task(
        CLINIC, REFERRAL_FACTS, first, status=TaskStatus.ACCEPTED, modified="2026-03-05T14:04:05+11:00"
    )
    assert content(again) == first


def test_a_reason_is_told_where_there_is_one_and_a_moment_that_is_no_longer_true_is_not() -> None:
    assert task(TaskStatus.REJECTED, reason="Outside our region")["statusReason"] == {
        "text": "Outside our region"
    }
    assert "statusReason" not in task(TaskStatus.ACCEPTED)
    assert "lastModified" not in task(TaskStatus.ACCEPTED)
    assert "businessStatus" not in task(TaskStatus.IN_PROGRESS)


def test_a_practice_may_put_back_another_status_and_nothing_else() -> None:
    current = task(TaskStatus.RECEIVED)
    cancelled = {
        **dict(reversed(current.items())),
        "status": "cancelled",
        "meta": {"versionId": "1"},
        "text": {},
    }
    assert only_status_differs(current, cancelled)
    assert not only_status_differs(current, {**cancelled, "description": "and this"})
    assert not only_status_differs(current, current)
