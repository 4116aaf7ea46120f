"""A platform hands over responses, one or several, amends and withdraws them, and reads what came of them."""

from typing import Any

import pytest

from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.identifiers import ResponseId, SourceId
from fhir_pmp.intake.arrivals import RecordingStatus
from fhir_pmp.pathway.summary.outcome_summary import summarise
from fhir_pmp.pathway.summary.summary_values import summary_values
from fhir_pmp.store.access.clients import ClientKind
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.web.programme_api.platform_client import STARTED, Platform, faults, phq9
from tests.integration.web.web_harness import WebHarness


def resource_of(harness: WebHarness, reference: str) -> dict[str, Any]:
    """A published resource."""
    kind, _, resource_id = reference.partition("/")
    with harness.store.read() as uow:
        found = uow.published.find(Reader.internal(), kind, resource_id)
    assert found is not None
    return read_fhir_json(found.content, max_bytes=len(found.content))


@pytest.mark.promise("P6")
def test_a_response_is_recorded_and_the_same_again_is_answered_as_the_first_time(
    platform: Platform, harness: WebHarness
) -> None:
    platform.enrol()
    first = platform.put("/responses/r1", phq9())
    assert first.status_code == 201
    assert {**first.json, "resource": ""} == {
        "response": "r1",
        "outcome": "accepted",
        "resource": "",
        "version": 1,
    }
    again = platform.put("/responses/r1", phq9())
    assert (again.status_code, again.data) == (201, first.data)
    published = resource_of(harness, first.json["resource"])
    assert published["identifier"]["value"] == "r1"
    assert published["authored"] == f"{STARTED}T10:11:12+11:00"


@pytest.mark.promise("P6")
def test_other_answers_are_409_unless_they_amend_and_each_is_answered_again_as_it_was(
    platform: Platform, harness: WebHarness
) -> None:
    platform.enrol()
    first = platform.put("/responses/r1", phq9())
    other = phq9("211111110")
    refused = platform.put("/responses/r1", other)
    assert (refused.status_code, faults(refused)) == (409, ["answers"])
    amended = platform.put("/responses/r1", {**other, "amends": True})
    assert (amended.status_code, amended.json["outcome"], amended.json["version"]) == (200, "amended", 2)
    assert platform.put("/responses/r1", {**other, "amends": True}).data == amended.data
    # The first request repeated late is answered as it was, and takes nothing back.
    assert platform.put("/responses/r1", phq9()).data == first.data
    assert resource_of(harness, first.json["resource"])["status"] == "amended"
    back = platform.put("/responses/r1", {**phq9(), "amends": True})
    assert (back.json["outcome"], back.json["version"]) == ("amended", 3)


def test_several_are_answered_one_by_one_and_each_stands_or_falls_alone(platform: Platform) -> None:
    platform.enrol()
    each = [
        phq9(response="r1"),
        phq9("9", response="r2", timepoint="screening", answered_at="2026-01-01"),
        phq9(response="r3", enrolment="e9"),
        phq9(response="r1"),
        phq9(response="r4", instrument="gad7", answers={"gad7-1": 1}),
    ]
    answer = platform.post("/responses", {"responses": each})
    assert answer.status_code == 200
    replies = answer.json["responses"]
    assert [one["response"] for one in replies] == ["r1", "r2", "r3", "r1", "r4"]
    assert [one["status"] for one in replies] == [201, 400, 404, 201, 201]
    assert replies[0] == replies[3]
    assert [fault["field"] for fault in replies[1]["faults"]] == ["answers.phq9-1"]
    assert [fault["field"] for fault in replies[2]["faults"]] == ["enrolment"]
    assert replies[1]["who_acts"] and replies[2]["who_acts"]
    # The list again: what was taken is answered as it was, what was refused is refused.
    assert platform.post("/responses", {"responses": each}).json == answer.json
    # One of them alone is answered as it was in the list.
    alone = platform.put("/responses/r4", phq9(instrument="gad7", answers={"gad7-1": 1}))
    assert {**alone.json, "status": alone.status_code} == replies[4]


def test_an_amendment_may_come_in_a_list_and_the_answers_of_one_list_follow_in_order(
    platform: Platform,
) -> None:
    platform.enrol()
    each = [
        phq9(response="r1"),
        phq9("211111110", response="r1", amends=True),
        phq9(response="r1", amends=True),
    ]
    replies = platform.post("/responses", {"responses": each}).json["responses"]
    assert [(one["outcome"], one["version"]) for one in replies] == [
        ("accepted", 1),
        ("amended", 2),
        ("amended", 3),
    ]


def test_a_response_is_withdrawn_with_a_reason_and_stays_withdrawn(
    platform: Platform, harness: WebHarness
) -> None:
    platform.enrol()
    taken = platform.put("/responses/r1", phq9()).json
    first = platform.put("/responses/r1/withdrawal", {"reason": "entered for the wrong person"})
    assert (first.status_code, first.json["outcome"], first.json["version"]) == (200, "withdrawn", 2)
    assert (
        platform.put("/responses/r1/withdrawal", {"reason": "entered for the wrong person"}).data
        == first.data
    )
    other = platform.put("/responses/r1/withdrawal", {"reason": "another"})
    assert (other.status_code, faults(other)) == (409, ["reason"])
    assert resource_of(harness, taken["resource"])["status"] == "entered-in-error"
    amending = platform.put("/responses/r1", phq9("211111110", amends=True))
    assert (amending.status_code, faults(amending)) == (409, ["response"])
    assert platform.put("/responses/r9/withdrawal", {"reason": "x"}).status_code == 404
    assert platform.put("/responses/r2", phq9()).status_code == 201


def test_an_id_belongs_to_the_platform_that_gave_it(platform: Platform, harness: WebHarness) -> None:
    platform.enrol()
    platform.put("/responses/r1", phq9())
    harness.client(ClientKind.PLATFORM, "other", source=SourceId("answers-long"))
    other = Platform(harness, "other")
    assert other.put("/responses/r1/withdrawal", {"reason": "x"}).status_code == 404
    # Its own r1 is another response: of the same person, instrument and timepoint there is one already.
    answer = other.put("/responses/r1", phq9())
    assert (answer.status_code, faults(answer)) == (409, ["timepoint"])


REFUSED: dict[str, tuple[dict[str, Any], int, list[str]]] = {
    "an instrument we do not know": (phq9(instrument="phq99"), 400, ["instrument"]),
    "an item of nobody": (phq9(answers={"Mr Smith": 1}), 400, ["answers.?"]),
    "an item of another instrument": (phq9(answers={"gad7-1": 1}), 400, ["answers.gad7-1"]),
    "a timepoint we do not know": (phq9(timepoint="weekly"), 400, ["timepoint"]),
    "an instrument that is not offered then": (
        phq9(instrument="pgic", answers={"pgic-pgic": 1}),
        400,
        ["instrument"],
    ),
    "a missing code": (phq9(answers={"phq9-1": -2}), 400, ["answers.phq9-1"]),
    "99": (phq9(answers={"phq9-1": 99}), 400, ["answers.phq9-1"]),
    "outside its window": (phq9(answered_at="2026-03-01"), 400, ["answered_at"]),
    "to come": (phq9(answered_at="2026-12-01"), 400, ["answered_at"]),
    "an enrolment of nobody": (phq9(enrolment="e9"), 404, ["enrolment"]),
}


@pytest.mark.parametrize(("body", "status", "fields"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_by_the_bodys_own_field(
    platform: Platform, harness: WebHarness, body: dict[str, Any], status: int, fields: list[str]
) -> None:
    platform.enrol()
    answer = platform.put("/responses/r1", body)
    assert (answer.status_code, faults(answer)) == (status, fields)
    assert "Smith" not in answer.text
    with harness.store.read() as uow:
        assert all(not found for found in (uow.responses.of_episode(e.id) for e in uow.episodes.list_all()))


def test_a_response_of_the_import_and_of_this_door_end_in_the_same_function(
    platform: Platform, harness: WebHarness
) -> None:
    platform.enrol()
    taken = platform.put("/responses/r1", phq9("211111111")).json
    with harness.store.read() as uow:
        recorded = uow.responses.get(ResponseId(taken["resource"].partition("/")[2]))
        assert [score.published for score in recorded.scores] == ["10"]
        assert len(uow.flags.list_open()) == 1
    assert RecordingStatus.ACCEPTED.value == taken["outcome"]


def test_outcomes_are_the_one_summary_of_every_enrolment_of_the_person(
    platform: Platform, harness: WebHarness
) -> None:
    who = platform.enrol()
    platform.put("/responses/r1", phq9("222222220"))
    harness.clock.advance(days=1)
    answer = platform.get(f"/people/{who}/outcomes")
    assert answer.status_code == 200
    (summary,) = answer.json["enrolments"]
    with harness.store.read() as uow:
        (episode,) = uow.episodes.list_all()
        responses = [one.response for one in uow.responses.of_episode(episode.id)]
        stored_person = uow.people.get(episode.person)
    assert summary == summary_values(
        summarise(harness.clinic, stored_person, episode, responses, [], harness.clock())
    )
    (phq,) = [scale for scale in summary["scales"] if scale["instrument"] == "phq9"]
    cells = {cell["timepoint"]: cell["text"] for cell in phq["timepoints"]}
    assert cells["start"] == "16" and cells["post"] == "due and not received"


def test_a_withdrawn_response_leaves_the_outcomes_and_its_flag_stays(platform: Platform) -> None:
    who = platform.enrol()
    platform.put("/responses/r1", phq9("222222221"))
    platform.put("/responses/r1/withdrawal", {"reason": "entered for the wrong person"})
    (summary,) = platform.get(f"/people/{who}/outcomes").json["enrolments"]
    assert summary["made_from"] == [] and len(summary["flags"]) == 1
