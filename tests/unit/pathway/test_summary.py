"""The outcome summary of one episode: cells, marks, safety, flags, result lines."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import msgspec
import pytest

from fhir_pmp.identifiers import FlagId, LinkId, TimepointId
from fhir_pmp.instruments.change_rules import Verdict
from fhir_pmp.instruments.definition import Better, RuleStatus
from fhir_pmp.pathway.facts import Acknowledgement, EpisodeState, Flag, Response, ResponseStatus
from fhir_pmp.pathway.programme.definition import CommencedBy
from fhir_pmp.pathway.summary.outcome_summary import Outcome, Summary, TimepointCell, summarise
from fhir_pmp.pathway.summary.safety_lines import SafetyLine, flagged_answers, is_alert
from tests.unit.pathway.examples import (
    AT_START,
    CLINIC,
    EPISODE,
    FOLLOW_UP,
    INSTRUMENTS,
    MOOD,
    MOOD_SCALE,
    PERSON,
    POST,
    PROGRAMME,
    SAFETY,
    SCREENING,
    SKILL,
    TOTAL,
    episode,
    instrument,
    points,
    response,
    scale,
    utc,
)

NOW = utc("2026-04-30T00:00:00Z")
ITEM = LinkId("mood-3")  # the example's safety item, flagged from 1
STARTED = response("mood", AT_START, "2026-03-02", "3 2 2")
POSTED = response("mood", POST, "2026-04-28", "1 1 1")


def summary(responses: Sequence[Response], flags: Sequence[Flag] = (), now: str = NOW.isoformat()) -> Summary:
    return summarise(CLINIC, PERSON, EPISODE, responses, flags, utc(now))


def cell(of: Summary, timepoint: TimepointId, name: str = "mood") -> TimepointCell:
    return next(one for one in of.scales if one.instrument.id == name).at(timepoint)


def flag_on(raised: Response, acknowledged: bool = False) -> Flag:
    done = Acknowledgement("Dr Robin Example", NOW, "called") if acknowledged else None
    return Flag(
        id=FlagId(f"flag-{raised.id}"),
        person=PERSON.id,
        episode=EPISODE.id,
        response=raised.id,
        instrument=MOOD,
        timepoint=raised.timepoint,
        item=ITEM,
        answer=raised.answers.get(ITEM, 0),
        raised_at=NOW,
        acknowledgement=done,
    )


def test_every_timepoint_has_a_cell_with_a_score_or_an_absence() -> None:
    found = summary([STARTED, POSTED])
    assert [c.text for c in found.scales[0].cells] == [
        "due and not received",
        "7",
        "3",
        "not yet due (27 July 2026)",
    ]
    start = cell(found, AT_START)
    assert start.score is not None
    assert (start.title, start.response, start.on, start.score.band) == (
        "Start",
        STARTED.id,
        STARTED.authored,
        "high",
    )
    assert start.change is None
    assert start.headline is None


def test_a_later_cell_bears_its_change_and_its_headline() -> None:
    post = cell(summary([STARTED, POSTED]), POST)
    assert post.change is not None
    assert post.change.comparison.words == "fell by 4 points"
    assert post.headline is not None
    assert post.headline.outcome is Outcome.IMPROVED
    assert post.headline.verdict is not None
    assert post.headline.verdict.rule.rule.rule_id == "mood.points"
    assert post.headline.reason is None


def test_the_same_facts_in_another_order_give_the_same_summary() -> None:
    assert summary([POSTED, STARTED]) == summary([STARTED, POSTED])


@pytest.mark.parametrize(
    ("post", "outcome", "line"),
    [
        ("1 1 1", Outcome.IMPROVED, "Of 1 measure: 1 improved, 0 unchanged, 0 worsened, 0 not known"),
        ("2 2 2", Outcome.UNCHANGED, "Of 1 measure: 0 improved, 1 unchanged, 0 worsened, 0 not known"),
        ("3 3 3", Outcome.WORSENED, "Of 1 measure: 0 improved, 0 unchanged, 1 worsened, 0 not known"),
        ("1 - -", Outcome.NOT_KNOWN, "Of 1 measure: 0 improved, 0 unchanged, 0 worsened, 1 not known"),
    ],
)
def test_the_result_line_counts_by_the_headline_rule(post: str, outcome: Outcome, line: str) -> None:
    found = summary([STARTED, response("mood", POST, "2026-04-28", post)])
    headline = cell(found, POST).headline
    assert headline is not None
    assert headline.outcome is outcome
    assert found.result(POST).text == line
    assert [one.instrument.id for one in found.measures(POST, outcome)] == [MOOD]


def test_a_follow_up_that_is_absent_is_not_known_and_never_unchanged() -> None:
    found = summary([STARTED, POSTED])
    headline = cell(found, FOLLOW_UP).headline
    assert headline is not None
    assert (headline.outcome, headline.reason) == (Outcome.NOT_KNOWN, "not yet due (27 July 2026)")
    line = found.result(FOLLOW_UP)
    assert (line.improved, line.unchanged, line.worsened, line.not_known) == (0, 0, 0, 1)


def test_without_a_baseline_the_headline_says_so() -> None:
    headline = cell(summary([POSTED]), POST).headline
    assert headline is not None
    assert headline.outcome is Outcome.NOT_KNOWN
    assert (
        headline.reason
        == "no baseline: Start was not received, and no Screening score lies within 28 days before it"
    )


def test_what_rests_on_an_unconfirmed_rule_is_shown_and_not_counted() -> None:
    one_blank = response("mood", POST, "2026-04-28", "1 1 -")
    found = summary([STARTED, one_blank])
    post = cell(found, POST)
    assert post.change is not None
    assert post.headline is not None
    assert (post.text, post.notes) == ("3", ("1 of 3 blank, prorated",))
    assert post.headline.outcome is Outcome.NOT_KNOWN
    assert post.headline.reason == "rests on a rule that is not confirmed"
    assert post.headline.verdict is not None
    assert post.headline.verdict.verdict is Verdict.IMPROVED, "the page shows it with its mark"
    assert found.result(POST).not_known == 1


def test_a_headline_rule_whose_bands_are_unconfirmed_is_not_counted() -> None:
    doubted = scale("mood", Better.LOWER, points("u", 2, RuleStatus.UNCONFIRMED), headline="u", items=3)
    clinic = replace(CLINIC, instruments={**INSTRUMENTS, MOOD: instrument("mood", doubted, items=3)})
    found = summarise(clinic, PERSON, EPISODE, [STARTED, POSTED], [], NOW)
    assert found.result(POST).not_known == 1


def test_only_what_is_due_is_a_measure() -> None:
    before = response("skill", AT_START, "2026-03-02", "1 1")
    after = response("skill", POST, "2026-04-28", "2 2")
    found = summary([STARTED, POSTED, before, after])
    optional = cell(found, POST, "skill")
    assert optional.change is not None
    assert optional.headline is None
    line = found.result(POST)
    assert line.improved + line.unchanged + line.worsened + line.not_known == 1


def test_a_scale_that_names_no_headline_rule_is_not_a_measure() -> None:
    uncounted = replace(MOOD_SCALE, headline_rule=None)
    clinic = replace(CLINIC, instruments={**INSTRUMENTS, MOOD: instrument("mood", uncounted, items=3)})
    found = summarise(clinic, PERSON, EPISODE, [STARTED, POSTED], [], NOW)
    assert found.result(POST).text == "Of 0 measures: 0 improved, 0 unchanged, 0 worsened, 0 not known"
    assert len(found.scales[0].at(POST).change.comparison.verdicts) == 2  # type: ignore[union-attr]


def test_what_is_only_accepted_appears_once_it_was_received() -> None:
    assert [one.instrument.id for one in summary([STARTED]).scales] == [MOOD]
    found = summary([STARTED, response("skill", POST, "2026-04-28", "2 2")])
    assert [one.instrument.id for one in found.scales] == [MOOD, SKILL]
    assert [c.text for c in found.scales[1].cells] == ["not offered", "not offered", "4", "not offered"]


def test_amended_and_late_learnt_responses_are_marked() -> None:
    amended = msgspec.structs.replace(STARTED, status=ResponseStatus.AMENDED, version=2)
    early = response("mood", SCREENING, "2026-01-01", "1 1 1")
    found = summary([amended, early])
    assert cell(found, AT_START).notes == ("amended",)
    assert cell(found, SCREENING).notes == ("outside its window",)
    assert found.made_from == ((early.id, 1), (amended.id, 2))


def test_a_withdrawn_response_leaves_the_summary() -> None:
    gone = msgspec.structs.replace(POSTED, status=ResponseStatus.ENTERED_IN_ERROR, version=2)
    found = summary([STARTED, gone])
    assert cell(found, POST).text == "due and not received"
    assert found.made_from == ((STARTED.id, 1),)


def test_the_next_due_timepoint_stands_in_the_summary() -> None:
    assert summary([]).next_due == (FOLLOW_UP, date(2026, 7, 27))
    assert summary([], now="2026-08-01T00:00:00Z").next_due is None


def test_answers_without_a_scale_are_told_by_their_label() -> None:
    found = summary([response("view", POST, "2026-04-28", "2")]).categories
    assert [(line.title, line.timepoint, line.text) for line in found] == [("item 1", POST, "more than half")]
    assert summary([response("view", POST, "2026-04-28", "-")]).categories[0].text == "not answered"
    (absent,) = summary([]).categories
    assert (absent.text, absent.answer) == ("due and not received", None)


# Safety answers, each on its own.


def safety(responses: Sequence[Response], flags: Sequence[Flag] = ()) -> dict[tuple[str, str], SafetyLine]:
    return {(line.item, line.timepoint): line for line in summary(responses, flags).safety}


def test_zero_and_not_answered_are_told_apart_and_a_blank_is_no_alert() -> None:
    lines = safety(
        [response("mood", AT_START, "2026-03-02", "3 3 0"), response("mood", POST, "2026-04-28", "0 0 -")]
    )
    zero, blank = lines[ITEM, AT_START], lines[ITEM, POST]
    assert (zero.text, zero.answer, zero.alert, zero.unanswered) == ("not at all (0)", 0, False, False)
    # The total is prorated to 0, and says nothing about the item.
    assert (blank.text, blank.answer, blank.alert, blank.unanswered) == ("not answered", None, False, True)


@pytest.mark.promise("P9")
def test_an_alert_depends_on_the_answer_alone() -> None:
    line = safety([response("mood", POST, "2026-04-28", "0 0 1")])[ITEM, POST]
    assert (line.text, line.alert, line.flag, line.acknowledged) == ("several days (1)", True, None, False)


def test_an_item_without_a_published_threshold_is_shown_and_never_an_alert() -> None:
    line = safety([response("mood", POST, "2026-04-28", "0 3 0")])[LinkId("mood-2"), POST]
    assert (line.text, line.alert) == ("nearly every day (3)", False)


def test_a_timepoint_without_a_response_has_its_absence_in_the_safety_lines() -> None:
    line = safety([])[ITEM, FOLLOW_UP]
    assert (line.text, line.answer, line.unanswered) == ("not yet due (27 July 2026)", None, False)
    assert line.absence is not None


def test_a_flag_stands_beside_its_answer_with_its_acknowledgement() -> None:
    asked = response("mood", POST, "2026-04-28", "0 0 2")
    open_flag, done = flag_on(asked), flag_on(asked, acknowledged=True)
    assert safety([asked], [open_flag])[ITEM, POST].flag == open_flag
    assert not safety([asked], [open_flag])[ITEM, POST].acknowledged
    assert safety([asked], [done])[ITEM, POST].acknowledged
    assert [line.flag for line in summary([asked], [open_flag]).unacknowledged] == [open_flag]
    assert summary([asked], [done]).unacknowledged == ()


def test_flags_that_came_with_one_import_stand_in_the_order_of_the_programme() -> None:
    at_post, at_start = (
        response("mood", POST, "2026-04-28", "0 0 2"),
        response("mood", AT_START, "2026-03-02", "0 0 1"),
    )
    later, earlier = flag_on(at_post), flag_on(at_start)
    found = summary([at_start, at_post], [later, earlier])
    assert [line.flag for line in found.flags] == [earlier, later]
    # Their ids say nothing of time: named the other way round they stand as before.
    renamed = [replace(later, id=FlagId("flag-a")), replace(earlier, id=FlagId("flag-b"))]
    assert [line.flag.timepoint for line in summary([at_start, at_post], renamed).flags] == [AT_START, POST]
    by_day = replace(later, raised_at=NOW - timedelta(days=1))
    assert [line.flag for line in summary([at_start, at_post], [earlier, by_day]).flags] == [by_day, earlier]


def test_neither_amendment_nor_withdrawal_takes_a_flag_away() -> None:
    asked = response("mood", POST, "2026-04-28", "0 0 2")
    flag = flag_on(asked)
    (as_it_was,) = summary([asked], [flag]).flags
    assert (as_it_was.title, as_it_was.text, as_it_was.timepoint_title, as_it_was.since) == (
        "item 3",
        "more than half (2)",
        "End of programme",
        None,
    )
    amended = msgspec.structs.replace(
        asked, status=ResponseStatus.AMENDED, answers={LinkId("mood-1"): 0, ITEM: 0}
    )
    found = summary([amended], [flag])
    assert found.flags[0].since == "the answer has been amended since"
    assert found.unacknowledged
    line = next(one for one in found.safety if (one.item, one.timepoint) == (ITEM, POST))
    assert (line.text, line.alert, line.amended, line.flag) == ("not at all (0)", False, True, flag)
    withdrawn = msgspec.structs.replace(asked, status=ResponseStatus.ENTERED_IN_ERROR)
    found = summary([withdrawn], [flag])
    assert found.flags[0].since == "the response has been withdrawn since"
    assert found.unacknowledged
    assert summary([], [flag]).flags[0].since is None, "a response nobody gave us says nothing about its flag"


def test_the_flags_a_response_raises_are_those_at_or_above_the_threshold() -> None:
    asked = response("mood", POST, "2026-04-28", "0 3 1")
    assert flagged_answers(INSTRUMENTS[MOOD], asked) == [(SAFETY[0], 1)]
    assert flagged_answers(INSTRUMENTS[MOOD], response("mood", POST, "2026-04-28", "3 3 0")) == []
    assert flagged_answers(INSTRUMENTS[MOOD], response("mood", POST, "2026-04-28", "3 3 -")) == []
    assert not is_alert(SAFETY[1], 3)


# Engagement.


@pytest.mark.parametrize(
    ("lessons", "majority", "whole"), [(3, False, False), (4, True, False), (5, True, True)]
)
def test_lessons_completed_say_majority_and_whole(lessons: int, majority: bool, whole: bool) -> None:
    found = summarise(CLINIC, PERSON, episode(EpisodeState.FINISHED, lessons=lessons), [], [], NOW).engagement
    assert found.lessons_text == f"{lessons} of 5 lessons"
    assert (found.completed_majority.is_met, found.completed_all.is_met) == (majority, whole)
    assert found.completed_majority.unconfirmed
    assert not found.completed_all.unconfirmed


def test_a_lesson_completed_twice_counts_once() -> None:
    done = episode(EpisodeState.COMMENCED, lessons=2)
    twice = replace(done, lessons=done.lessons + done.lessons)
    assert summarise(CLINIC, PERSON, twice, [], [], NOW).engagement.lessons == 2


def test_commenced_is_what_the_programme_says_it_is() -> None:
    not_begun = episode(EpisodeState.ENROLLED, started_on=None)
    assert not summarise(CLINIC, PERSON, not_begun, [], [], NOW).engagement.commenced.is_met
    assert summarise(CLINIC, PERSON, EPISODE, [], [], NOW).engagement.commenced.is_met
    by_lesson = replace(PROGRAMME.commenced, by=CommencedBy.LESSONS, lessons=1)
    clinic = replace(CLINIC, programme=replace(PROGRAMME, commenced=by_lesson))
    assert not summarise(clinic, PERSON, EPISODE, [], [], NOW).engagement.commenced.is_met
    one = episode(EpisodeState.COMMENCED, lessons=1)
    assert summarise(clinic, PERSON, one, [], [], NOW).engagement.commenced.is_met


def test_why_someone_stopped_is_told() -> None:
    stopped = replace(
        EPISODE, state=EpisodeState.STOPPED, ended_on=date(2026, 3, 30), end_reason="moved away"
    )
    found = summarise(CLINIC, PERSON, stopped, [], [], NOW).engagement
    assert (found.state, found.ended_on, found.end_reason) == (
        EpisodeState.STOPPED,
        date(2026, 3, 30),
        "moved away",
    )


def test_a_scale_keeps_its_name_in_its_outcome() -> None:
    assert summary([]).scales[0].scale.id == TOTAL
