"""One filled instrument arrives: taken whole or refused whole; repeated, amended, withdrawn; what follows from it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fhir_pmp.errors import NotAllowed, NotFound, NotUnderstood
from fhir_pmp.identifiers import EpisodeId, FlagId, InstrumentId, ResponseId, ScaleId, TimepointId
from fhir_pmp.intake.arrivals import ArrivedResponse, Ending, RecordingStatus
from fhir_pmp.intake.episode.clinician_decisions import acknowledge_flag
from fhir_pmp.intake.response.response_withdrawal import ReasonMissing
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.store.errors import NotStored
from tests.integration.intake.intake_harness import (
    STARTED,
    IntakeHarness,
    day_of,
    enrolment,
    gad7,
    phq9,
    response,
)

LOW, HIGH = [1] * 8 + [0], [2] * 8 + [0]  # PHQ-9 totals 8 and 16, item 9 zero


@pytest.mark.promise("P9")
def test_a_response_is_scored_flagged_and_published_in_the_transaction_that_records_it(
    harness: IntakeHarness,
) -> None:
    harness.enrol()
    (result,) = harness.respond(phq9("start", *[2] * 8, 1))
    assert (result.status, result.version) == (RecordingStatus.ACCEPTED, 1)
    episode = harness.episode()
    with harness.store.read() as uow:
        recorded = uow.responses.get(ResponseId(result.id or ""))
        (flag,) = uow.flags.of_responses([recorded.response.id])[recorded.response.id]
    assert [score.published for score in recorded.scores] == ["17"]
    clinic = harness.clinic
    assert set(harness.published("QuestionnaireResponse", "Observation", "Flag")) == {
        f"QuestionnaireResponse/{result.id}",
        f"Observation/{clinic.ids.score_id(recorded.response.id, ScaleId('total'))}",
        f"Observation/{clinic.ids.answer_id(recorded.response.id, flag.item)}",
        f"Flag/{flag.id}",
    }
    assert flag.episode == episode.id


@pytest.mark.promise("P9")
def test_a_failure_before_the_commit_leaves_neither_response_nor_flag_nor_version(
    harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.enrol()
    before = harness.versions()

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr(harness.publisher, "publish", fails)
    with pytest.raises(RuntimeError):
        harness.respond(phq9("start", *[2] * 9))
    monkeypatch.undo()
    with harness.store.read() as uow:
        assert uow.responses.of_episode(harness.episode().id) == []
        assert uow.flags.list_open() == []
    assert harness.versions() == before
    # Nothing of it was kept, so the same again is new.
    assert harness.respond(phq9("start", *[2] * 9))[0].status is RecordingStatus.ACCEPTED
    with harness.store.read() as uow:
        assert len(uow.flags.list_open()) == 1


def test_the_same_again_is_repeated_and_changes_nothing(harness: IntakeHarness) -> None:
    harness.enrol()
    arrival = phq9("start", *LOW)
    harness.respond(arrival)
    before = harness.versions()
    (again,) = harness.respond(arrival)
    shuffled = replace(arrival, answers=dict(reversed(list(arrival.answers.items()))))
    assert (again.status, again.version) == (RecordingStatus.REPEATED, 1)
    assert harness.respond(shuffled)[0].status is RecordingStatus.REPEATED
    assert harness.versions() == before


def test_a_repeat_is_one_though_the_mapping_has_a_newer_version_since(harness: IntakeHarness) -> None:
    harness.enrol()
    arrival = phq9("start", *LOW)
    harness.respond(arrival)
    name = InstrumentId("phq9")
    newer = {**harness.clinic.instruments, name: replace(harness.clinic.instruments[name], version="2")}
    harness.clinic = replace(harness.clinic, instruments=newer)
    assert harness.respond(arrival)[0].status is RecordingStatus.REPEATED


REFUSED: dict[str, tuple[ArrivedResponse, str, type[Exception]]] = {
    "an enrolment of nobody": (phq9("start", *LOW, enrolment="e9"), "enrolment", NotFound),
    "an instrument we do not know": (response("phq99", "start", {}), "instrument", NotUnderstood),
    "a timepoint we do not know": (phq9("start", *LOW, on="2026-03-02"), "timepoint", NotUnderstood),
    "an instrument that is not offered then": (
        response("pgic", "start", {"pgic": 1}),
        "instrument",
        NotUnderstood,
    ),
    "an item the instrument does not have": (
        response("gad7", "start", {"8": 1}),
        "gad7-8",
        NotUnderstood,
    ),
    "not entered, -2": (gad7("start", -2), "gad7-1", NotUnderstood),
    "not applicable, -4": (gad7("start", -4), "gad7-1", NotUnderstood),
    "other, -5": (gad7("start", -5), "gad7-1", NotUnderstood),
    "missing, 99": (gad7("start", 99), "gad7-1", NotUnderstood),
    "a text that looks like a number": (response("gad7", "start", {"1": "03"}), "gad7-1", NotUnderstood),
    "a decimal": (response("gad7", "start", {"1": 2.0}), "gad7-1", NotUnderstood),
    "yes": (response("gad7", "start", {"1": True}), "gad7-1", NotUnderstood),
    "before the window": (gad7("start", 0, on="2026-02-22"), "authored", NotUnderstood),
    "after the window": (gad7("start", 0, on="2026-03-17"), "authored", NotUnderstood),
    "tomorrow": (gad7("follow_up", 0, on="2026-11-21"), "authored", NotUnderstood),
    "later today": (gad7("follow_up", 0, on="2026-11-20T15:00:00+11:00"), "authored", NotUnderstood),
}


@pytest.mark.parametrize(("arrival", "field", "kind"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_by_its_field_and_the_others_stand(
    harness: IntakeHarness, arrival: ArrivedResponse, field: str, kind: type[Exception]
) -> None:
    if field == "timepoint":
        arrival = replace(arrival, timepoint=TimepointId("weekly"))
    # The follow-up window of somebody who started later is open now.
    harness.enrol(enrolment(started_on=STARTED), enrolment("e2", started_on=STARTED + timedelta(days=100)))
    if arrival.timepoint == "follow_up":
        arrival = replace(arrival, enrolment="e2")
    accepted, refused = harness.respond(phq9("start", *LOW), arrival)
    assert (accepted.status, refused.status) == (RecordingStatus.ACCEPTED, RecordingStatus.REFUSED)
    assert [fault.field for fault in refused.faults] == [field]
    assert isinstance(refused.refusal, kind)
    with harness.store.read() as uow:
        assert len(uow.responses.of_episode(harness.episode().id)) == 1


def test_every_fault_of_a_response_is_told_at_once_and_no_answer_is_repeated(harness: IntakeHarness) -> None:
    harness.enrol()
    wrong = response("gad7", "start", {"1": 4711, "2": 0, "9": 0}, on="2026-05-01")
    named_by_a_person = replace(wrong, answers={**wrong.answers, "Mr Smith's 1st": 3})
    (refused,) = harness.respond(named_by_a_person)
    assert [fault.field for fault in refused.faults] == ["authored", "gad7-9", "?", "gad7-1"]
    message = str(refused.refusal)
    assert "4711" not in message and "Smith" not in message


def test_what_was_taken_is_repeated_and_amended_though_the_start_has_moved_its_window_away(
    harness: IntakeHarness,
) -> None:
    first, moved = phq9("start", *LOW, on="2026-03-01"), STARTED + timedelta(days=40)
    harness.enrol()
    (taken,) = harness.respond(first)
    harness.enrol(enrolment(started_on=moved))
    (again,) = harness.respond(first)
    assert (again.status, again.id, again.version) == (RecordingStatus.REPEATED, taken.id, 1)
    # The answers the platform corrects may be the one that a clinician has to see.
    (amended,) = harness.respond(phq9("start", *LOW[:8], 2, on="2026-03-01", amends=True))
    assert (amended.status, amended.version) == (RecordingStatus.AMENDED, 2)
    assert len(harness.published("Flag")) == 1
    (elsewhere,) = harness.respond(phq9("start", *LOW, on="2026-03-02", amends=True))
    assert elsewhere.status is RecordingStatus.REFUSED and elsewhere.faults[0].field == "authored"


def test_other_answers_under_the_same_key_are_refused_unless_they_amend(harness: IntakeHarness) -> None:
    harness.enrol()
    (first,) = harness.respond(phq9("start", *LOW))
    (refused,) = harness.respond(phq9("start", *HIGH))
    assert (refused.status, refused.faults[0].field) == (RecordingStatus.REFUSED, "answers")
    assert isinstance(refused.refusal, NotAllowed)
    other_day = (STARTED + timedelta(days=1)).isoformat()
    assert harness.respond(phq9("start", *LOW, on=other_day))[0].faults[0].field == "authored"
    (amended,) = harness.respond(phq9("start", *HIGH, amends=True))
    assert (amended.status, amended.id, amended.version) == (RecordingStatus.AMENDED, first.id, 2)
    # An amendment that changes nothing is a repeat.
    (again,) = harness.respond(phq9("start", *HIGH, amends=True))
    assert (again.status, again.version) == (RecordingStatus.REPEATED, 2)


def test_an_id_of_the_platform_belongs_to_one_response(harness: IntakeHarness) -> None:
    harness.enrol(enrolment("e1"), enrolment("e2"))
    harness.respond(phq9("start", *LOW, own_id="r1"))
    results = harness.respond(
        phq9("start", *LOW, own_id="r1", enrolment="e2", amends=True),
        gad7("start", *[0] * 7, own_id="r1", amends=True),
        phq9("post", *LOW, own_id="r1", amends=True),
        phq9("start", *LOW, own_id="r2", enrolment="e2"),
    )
    assert [one.status for one in results] == [RecordingStatus.REFUSED] * 3 + [RecordingStatus.ACCEPTED]
    assert {fault.field for one in results for fault in one.faults} == {"response"}


def test_two_responses_to_one_instrument_at_one_timepoint_are_not_told_apart_by_us(
    harness: IntakeHarness,
) -> None:
    harness.enrol()
    harness.respond(phq9("start", *LOW, own_id="r1"))
    (refused,) = harness.respond(phq9("start", *HIGH, own_id="r2"))
    assert (refused.status, refused.faults[0].field) == (RecordingStatus.REFUSED, "timepoint")


def _ids(harness: IntakeHarness, arrival: ArrivedResponse) -> ResponseId:
    return harness.clinic.ids.response_id(
        arrival.source, arrival.response_id, arrival.enrolment, arrival.instrument, arrival.timepoint
    )


def _change(harness: IntakeHarness, instrument: str, scale: str, later: str) -> str:
    key = (InstrumentId(instrument), ScaleId(scale), TimepointId(later))
    return f"Observation/{harness.clinic.ids.change_id(harness.episode().id, *key)}"


def _score(harness: IntakeHarness, arrival: ArrivedResponse) -> str:
    return f"Observation/{harness.clinic.ids.score_id(_ids(harness, arrival), ScaleId('total'))}"


def _item_9(harness: IntakeHarness, arrival: ArrivedResponse) -> str:
    (safety,) = harness.clinic.instruments[InstrumentId("phq9")].safety_items
    return f"Observation/{harness.clinic.ids.answer_id(_ids(harness, arrival), safety.item)}"


@pytest.fixture
def course(harness: IntakeHarness) -> dict[str, ArrivedResponse]:
    """Two instruments through the whole programme, item 9 positive at the start, the flag acknowledged."""
    harness.enrol()
    arrivals = {
        "screening": phq9("screening", *[3] * 8, 0),
        "start": phq9("start", *[2] * 8, 1),
        "post": phq9("post", *LOW),
        "follow_up": phq9("follow_up", *[0] * 9),
        "gad start": gad7("start", *[2] * 7),
        "gad post": gad7("post", *[1] * 7),
    }
    assert {one.status for one in harness.respond(*arrivals.values())} == {RecordingStatus.ACCEPTED}
    with harness.store.begin() as uow:
        (flag,) = uow.flags.list_open()
        acknowledge_flag(uow, harness.publishing, flag.id, by="Dr Ada", action="called", now=harness.now)
    return arrivals


@pytest.mark.promise("P16")
def test_an_amended_baseline_moves_itself_and_what_follows_and_nothing_else(
    harness: IntakeHarness, course: dict[str, ArrivedResponse]
) -> None:
    before = harness.versions()
    start = course["start"]
    amended = replace(start, amends=True, answers={**start.answers, "phq9-1": 0})
    assert harness.respond(amended)[0].status is RecordingStatus.AMENDED
    # The score, the safety answer (it says that it was amended) and the two changes counted from it; not the changes
    # of GAD-7, the other scores, the flag, the episode or the person.
    assert harness.changed_since(before) == {
        f"QuestionnaireResponse/{_ids(harness, start)}",
        _score(harness, start),
        _item_9(harness, start),
        _change(harness, "phq9", "total", "post"),
        _change(harness, "phq9", "total", "follow_up"),
    }
    now = harness.published()
    assert now[f"QuestionnaireResponse/{_ids(harness, start)}"]["status"] == "amended"
    # 17 - 2 = 15 at the start, 8 at post: -7.
    change = now[_change(harness, "phq9", "total", "post")]
    assert (change["status"], change["valueQuantity"]["value"]) == ("amended", -7)


@pytest.mark.promise("P16")
def test_an_amended_later_response_moves_its_own_change_and_no_other(
    harness: IntakeHarness, course: dict[str, ArrivedResponse]
) -> None:
    before = harness.versions()
    post = course["post"]
    harness.respond(replace(post, amends=True, answers={**post.answers, "phq9-1": 3}))
    assert harness.changed_since(before) == {
        f"QuestionnaireResponse/{_ids(harness, post)}",
        _score(harness, post),
        _item_9(harness, post),
        _change(harness, "phq9", "total", "post"),
    }


def test_an_amended_screening_moves_no_change_while_start_is_the_baseline(
    harness: IntakeHarness, course: dict[str, ArrivedResponse]
) -> None:
    before = harness.versions()
    screening = course["screening"]
    harness.respond(replace(screening, amends=True, answers={**screening.answers, "phq9-1": 0}))
    assert harness.changed_since(before) == {
        f"QuestionnaireResponse/{_ids(harness, screening)}",
        _score(harness, screening),
        _item_9(harness, screening),
    }


def test_an_amended_date_alone_moves_the_response_and_its_scores(
    harness: IntakeHarness, course: dict[str, ArrivedResponse]
) -> None:
    before = harness.versions()
    post = replace(course["post"], amends=True)
    later = phq9("post", *LOW, on=(STARTED + timedelta(days=57)).isoformat(), amends=True)
    harness.respond(replace(post, authored=later.authored))
    assert _change(harness, "phq9", "total", "post") in harness.changed_since(before)
    assert _change(harness, "phq9", "total", "follow_up") not in harness.changed_since(before)


def test_amended_twice_each_time_a_version(
    harness: IntakeHarness, course: dict[str, ArrivedResponse]
) -> None:
    post = course["post"]
    reference = f"QuestionnaireResponse/{_ids(harness, post)}"
    for value in (3, 2):
        harness.respond(replace(post, amends=True, answers={**post.answers, "phq9-1": value}))
    assert harness.versions()[reference] == 3
    change = harness.published()[_change(harness, "phq9", "total", "post")]
    assert (
        change["valueQuantity"]["value"],
        harness.versions()[_change(harness, "phq9", "total", "post")],
    ) == (
        -8,
        3,
    )


def test_amended_in_the_batch_that_brings_it_the_last_answers_stand(harness: IntakeHarness) -> None:
    harness.enrol()
    results = harness.respond(
        phq9("start", *[2] * 8, 3),
        phq9("start", *[2] * 8, 1, amends=True),
        phq9("start", *[2] * 8, 0, amends=True),
    )
    assert [one.status for one in results] == [
        RecordingStatus.ACCEPTED,
        RecordingStatus.AMENDED,
        RecordingStatus.AMENDED,
    ]
    with harness.store.read() as uow:
        (recorded,) = uow.responses.of_episode(harness.episode().id)
        (flag,) = uow.flags.list_open()
    assert recorded.response.answers["phq9-9"] == 0  # type: ignore[index]
    assert recorded.response.status == "amended"
    # What was once answered was once raised, with the answer that raised it.
    assert flag.answer == 3


def test_a_recorded_response_amended_twice_in_one_batch_is_one_next_version(harness: IntakeHarness) -> None:
    harness.enrol()
    harness.respond(phq9("start", *LOW))
    harness.respond(phq9("start", *HIGH, amends=True), phq9("start", *[3] * 8, 0, amends=True))
    with harness.store.read() as uow:
        (recorded,) = uow.responses.of_episode(harness.episode().id)
    assert (recorded.response.version, [s.published for s in recorded.scores]) == (3, ["24"])


@pytest.mark.promise("P16")
def test_a_withdrawn_response_takes_back_what_was_computed_from_it_and_nothing_else(
    harness: IntakeHarness, course: dict[str, ArrivedResponse]
) -> None:
    before = harness.versions()
    post = course["post"]
    result = harness.withdraw(_ids(harness, post))
    assert (result.status, result.version) == (RecordingStatus.AMENDED, 2)
    moved = {
        f"QuestionnaireResponse/{_ids(harness, post)}",
        _score(harness, post),
        _item_9(harness, post),
        _change(harness, "phq9", "total", "post"),
    }
    assert harness.changed_since(before) == moved
    assert {harness.published()[reference]["status"] for reference in moved} == {"entered-in-error"}
    assert harness.withdraw(_ids(harness, post)).status is RecordingStatus.REPEATED
    assert harness.changed_since(before) == moved


def test_a_withdrawn_baseline_falls_back_to_screening_and_a_new_one_restores_it(
    harness: IntakeHarness, course: dict[str, ArrivedResponse]
) -> None:
    start, change = course["start"], _change(harness, "phq9", "total", "post")
    flags = harness.versions("Flag")
    harness.withdraw(_ids(harness, start))
    # 24 at screening, 8 at post.
    fallen = harness.published()[change]
    assert (fallen["status"], fallen["valueQuantity"]["value"]) == ("amended", -16)
    assert fallen["derivedFrom"][0]["reference"] == _score(harness, course["screening"])
    assert harness.versions("Flag") == flags  # never by a withdrawal
    (restored,) = harness.respond(replace(start, response_id="r-new"))
    assert restored.status is RecordingStatus.ACCEPTED
    # 17 at the start, 8 at post.
    again = harness.published()[change]
    assert (again["status"], again["valueQuantity"]["value"]) == ("amended", -9)
    assert harness.published()[_change(harness, "gad7", "total", "post")]["status"] == "final"


@pytest.mark.promise("P16")
def test_without_any_baseline_left_the_changes_are_taken_back(harness: IntakeHarness) -> None:
    harness.enrol()
    harness.respond(gad7("start", *[2] * 7), gad7("post", *[1] * 7))
    harness.withdraw(_ids(harness, gad7("start")))
    assert harness.published()[_change(harness, "gad7", "total", "post")]["status"] == "entered-in-error"


@pytest.mark.promise("P16")
def test_a_withdrawal_stands(harness: IntakeHarness, course: dict[str, ArrivedResponse]) -> None:
    start = course["start"]
    harness.withdraw(_ids(harness, start))
    (repeated,) = harness.respond(start)
    assert repeated.status is RecordingStatus.REPEATED
    (refused,) = harness.respond(replace(start, amends=True, answers={**start.answers, "phq9-1": 0}))
    assert (refused.status, refused.faults[0].field) == (RecordingStatus.REFUSED, "response")


def test_a_withdrawal_says_why_and_of_what(harness: IntakeHarness) -> None:
    with pytest.raises(NotStored):
        harness.withdraw("response-of-nobody")
    harness.enrol()
    harness.respond(gad7("start", *[2] * 7))
    with pytest.raises(ReasonMissing):
        harness.withdraw(_ids(harness, gad7("start")), reason=" ")


@pytest.mark.promise("P9")
def test_a_flag_is_raised_by_an_amendment_and_never_lowered_by_one(harness: IntakeHarness) -> None:
    harness.enrol()
    harness.respond(phq9("start", *LOW))
    with harness.store.read() as uow:
        assert uow.flags.list_open() == []
    harness.respond(phq9("start", *[1] * 8, 2, amends=True))
    flag = _only_flag(harness)
    assert harness.published("Flag")[f"Flag/{flag}"]["status"] == "active"
    harness.respond(phq9("start", *[1] * 8, 0, amends=True))
    harness.respond(phq9("start", *[1] * 8, 3, amends=True))
    assert _only_flag(harness) == flag
    assert harness.versions("Flag") == {f"Flag/{flag}": 1}


def _only_flag(harness: IntakeHarness) -> FlagId:
    with harness.store.read() as uow:
        (flag,) = uow.flags.list_open()
    return flag.id


@pytest.mark.promise("P9")
def test_only_a_clinicians_acknowledgement_makes_a_flag_inactive(
    harness: IntakeHarness, course: dict[str, ArrivedResponse]
) -> None:
    (flag,) = harness.published("Flag").values()
    assert flag["status"] == "inactive"
    assert harness.versions("Flag").popitem()[1] == 2


def test_item_9_left_blank_is_a_line_on_the_worklist_and_no_flag_until_it_is_answered(
    harness: IntakeHarness,
) -> None:
    harness.enrol()
    harness.respond(phq9("start", *[1] * 8))
    (item,) = harness.open_work_items()
    assert (item.kind, item.details["items"]) == ("safety_not_answered", ["phq9-9"])
    with harness.store.read() as uow:
        assert uow.flags.list_open() == []
    harness.respond(phq9("start", *[1] * 8))  # a repeat opens nothing new
    assert [one.id for one in harness.open_work_items()] == [item.id]
    harness.respond(phq9("start", *[1] * 8, 0, amends=True))
    assert harness.open_work_items() == []
    with harness.store.read() as uow:
        assert uow.work_items.get(item.id).resolution == "answered in an amendment"


def test_k10_item_4_is_published_and_raises_no_flag(harness: IntakeHarness) -> None:
    harness.enrol()
    harness.respond(response("k10", "screening", {str(n): 5 for n in range(1, 11)}))
    assert harness.published("Flag") == {}
    (response_id,) = (ref.partition("/")[2] for ref in harness.published("QuestionnaireResponse"))
    (safety,) = harness.clinic.instruments[InstrumentId("k10")].safety_items
    answer = harness.clinic.ids.answer_id(ResponseId(response_id), safety.item)
    assert f"Observation/{answer}" in harness.published("Observation")


@pytest.mark.promise("P11")
def test_a_result_that_rests_on_an_unconfirmed_rule_stays_in_the_house(harness: IntakeHarness) -> None:
    harness.enrol()
    complete = {str(n): 2 for n in range(1, 22)}
    # Item 3 belongs to depression: one blank of seven is filled up by a rule that is UNCONFIRMED.
    blank = {key: value for key, value in complete.items() if key != "3"}
    (result,) = harness.respond(response("dass21", "start", blank))
    shown = {
        scale: f"Observation/{harness.clinic.ids.score_id(ResponseId(result.id or ''), ScaleId(scale))}"
        in harness.published()
        for scale in ("depression", "anxiety", "stress")
    }
    assert shown == {"depression": False, "anxiety": True, "stress": True}
    assert f"QuestionnaireResponse/{result.id}" in harness.published()
    with harness.store.read() as uow:
        (recorded,) = uow.responses.of_episode(harness.episode().id)
    # Every answer is 2: seven twos, the blank one among them, doubled.
    assert {str(s.scale): s.published for s in recorded.scores}["depression"] == "28"


@pytest.mark.promise("P11")
def test_a_published_score_that_comes_to_rest_on_an_unconfirmed_rule_is_taken_back(
    harness: IntakeHarness,
) -> None:
    harness.enrol()
    complete = {str(n): 2 for n in range(1, 22)}
    blank = {key: value for key, value in complete.items() if key != "3"}
    (result,) = harness.respond(response("dass21", "start", complete))
    depression = (
        f"Observation/{harness.clinic.ids.score_id(ResponseId(result.id or ''), ScaleId('depression'))}"
    )
    assert harness.published()[depression]["status"] == "final"
    harness.respond(response("dass21", "start", blank, amends=True))
    assert harness.published()[depression]["status"] == "entered-in-error"
    harness.respond(response("dass21", "start", complete, amends=True))
    assert harness.published()[depression]["status"] == "amended"


def test_a_score_that_is_not_scorable_any_more_takes_its_change_back(harness: IntakeHarness) -> None:
    harness.enrol()
    harness.respond(phq9("start", *LOW), phq9("post", *LOW))
    harness.respond(phq9("start", *[1] * 6, amends=True))  # three blanks: no score
    assert harness.published()[_change(harness, "phq9", "total", "post")]["status"] == "entered-in-error"


POST = {
    "phq9": {**{str(n): 0 for n in range(1, 10)}, "difficulty": 0},
    "gad7": {str(n): 0 for n in range(1, 8)},
    "pcs": {str(n): 0 for n in range(1, 14)},
    "pseq": {str(n): 0 for n in range(1, 11)},
    "bpi_sf": dict.fromkeys(
        ("worst", "least", "average", "now", "activity", "mood", "walking", "work", "relations", "sleep")
        + ("enjoyment",),
        0,
    ),
    "satisfaction": {"satisfaction": 1, "recommend": 1},
    "pgic": {"pgic": 1},
}
"""What is due at the end of the programme, filled in."""


def test_the_last_post_questionnaire_finishes_the_programme_on_the_day_it_was_answered(
    harness: IntakeHarness,
) -> None:
    harness.enrol()
    *early, late = (response(name, "post", dict(answers)) for name, answers in POST.items())
    harness.respond(*early)
    assert harness.episode().state is EpisodeState.COMMENCED
    last_day = STARTED + timedelta(days=60)
    late = response("pgic", "post", {"pgic": 1}, on=last_day.isoformat())
    harness.respond(late)
    finished = harness.episode()
    assert (finished.state, finished.ended_on) == (EpisodeState.FINISHED, last_day)
    assert harness.letters_due() == [(EpisodeId(finished.id), "discharge")]
    # The platform says the same later, and nothing is new.
    (result,) = harness.enrol(enrolment(ended_how=Ending.FINISHED, ended_on=last_day))
    assert result.status is RecordingStatus.REPEATED


def test_a_screening_before_the_start_is_known_is_taken_and_judged_once_it_is(harness: IntakeHarness) -> None:
    harness.enrol(enrolment(started_on=None))
    taken, refused = harness.respond(phq9("screening", *HIGH), phq9("post", *LOW))
    assert (taken.status, refused.status) == (RecordingStatus.ACCEPTED, RecordingStatus.REFUSED)
    assert refused.faults[0].field == "authored"
    harness.enrol(enrolment())
    harness.respond(phq9("post", *LOW))
    change = harness.published()[_change(harness, "phq9", "total", "post")]
    assert change["valueQuantity"]["value"] == -8  # 16 at screening, 8 at post


def test_a_moment_no_zone_can_reckon_with_is_refused_and_the_others_stand(harness: IntakeHarness) -> None:
    harness.enrol(enrolment(), enrolment("not begun", started_on=None))
    edge = "0001-01-01T00:00:00+14:00"
    refused, waiting, taken = harness.respond(
        phq9("start", *LOW, on=edge),
        phq9("screening", *LOW, on=edge, enrolment="not begun"),
        phq9("start", *LOW),
    )
    assert [one.status for one in (refused, waiting, taken)] == [
        RecordingStatus.REFUSED,
        RecordingStatus.REFUSED,
        RecordingStatus.ACCEPTED,
    ]
    assert {one.faults[0].field for one in (refused, waiting)} == {"authored"}


def test_a_moment_with_a_time_is_judged_by_the_clinics_calendar(harness: IntakeHarness) -> None:
    harness.enrol()
    last = STARTED + timedelta(days=14)
    # Half past eleven at night in Sydney on the last day of the window; elsewhere it is another day.
    inside = gad7("start", *[0] * 7, on=f"{last.isoformat()}T12:30:00Z", own_id="r1")
    outside = phq9("start", *LOW, on=f"{last.isoformat()}T13:30:00Z", own_id="r2")
    taken, refused = harness.respond(inside, outside)
    assert (taken.status, refused.status) == (RecordingStatus.ACCEPTED, RecordingStatus.REFUSED)
    (published,) = harness.published("QuestionnaireResponse").values()
    assert published["authored"] == f"{last.isoformat()}T12:30:00Z"


def test_a_day_is_published_as_a_day_and_no_time_is_invented(harness: IntakeHarness) -> None:
    harness.enrol()
    (result,) = harness.respond(gad7("start", *[0] * 7))
    day = day_of("start")
    assert harness.published()[f"QuestionnaireResponse/{result.id}"]["authored"] == day
    score = harness.clinic.ids.score_id(ResponseId(result.id or ""), ScaleId("total"))
    observation = harness.published()[f"Observation/{score}"]
    assert observation["effectiveDateTime"] == day and "issued" not in observation
