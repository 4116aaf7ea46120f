"""Which score is the baseline, which changes follow from it, and what becomes of withdrawn and blank responses."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import msgspec
import pytest

from fhir_pmp.pathway.facts import Response, ResponseStatus
from fhir_pmp.pathway.scale_changes import (
    NoBaseline,
    ScaleChange,
    ScoredResponse,
    find_baseline,
    scale_changes,
)
from tests.unit.pathway.examples import (
    AT_START,
    CLINIC,
    EPISODE,
    FOLLOW_UP,
    MOOD,
    POST,
    SCREENING,
    TOTAL,
    response,
)

# Items of 0 to 3; the mood scale has three of them and may have one blank (by a rule that is not confirmed).
SCREENED = response("mood", SCREENING, "2026-02-18", "3 3 3")  # 12 days before the start
STARTED = response("mood", AT_START, "2026-03-02", "3 2 2")
POSTED = response("mood", POST, "2026-04-28", "1 1 1")
FOLLOWED = response("mood", FOLLOW_UP, "2026-07-28", "2 2 2")


def scored(*responses: Response) -> list[ScoredResponse]:
    return [ScoredResponse(one, CLINIC.score(one.instrument, one.answers)) for one in responses]


def changes(*responses: Response) -> list[ScaleChange]:
    return scale_changes(CLINIC, EPISODE, scored(*responses))


def points_of(found: Sequence[ScaleChange]) -> list[tuple[str, str, str]]:
    return [(one.baseline, one.timepoint, one.comparison.points_text) for one in found]


def test_every_later_timepoint_is_compared_with_the_baseline_and_not_with_the_one_before() -> None:
    found = changes(SCREENED, STARTED, POSTED, FOLLOWED)
    assert points_of(found) == [("start", "post", "-4"), ("start", "follow_up", "-1")]


def test_the_order_in_which_responses_are_given_changes_nothing() -> None:
    assert changes(FOLLOWED, POSTED, STARTED, SCREENED) == changes(SCREENED, STARTED, POSTED, FOLLOWED)


def test_a_change_names_both_scores_and_bears_the_id_of_its_key() -> None:
    (change,) = changes(STARTED, POSTED)
    assert change.id == CLINIC.ids.change_id(EPISODE.id, MOOD, TOTAL, POST)
    assert change.before_score_id == CLINIC.ids.score_id(STARTED.id, TOTAL)
    assert change.after_score_id == CLINIC.ids.score_id(POSTED.id, TOTAL)
    assert (change.before, change.after) == (STARTED, POSTED)
    assert (change.before_score.published, change.after_score.published) == ("7", "3")
    assert (change.person, change.episode, change.instrument, change.scale) == (
        EPISODE.person,
        EPISODE.id,
        MOOD,
        TOTAL,
    )
    assert change.is_publishable


def test_screening_to_start_is_no_change_of_ours() -> None:
    assert changes(SCREENED, STARTED) == []


def test_without_a_start_the_screening_is_the_baseline() -> None:
    assert points_of(changes(SCREENED, POSTED)) == [("screening", "post", "-6")]
    assert changes(SCREENED, POSTED)[0].id == changes(SCREENED, STARTED, POSTED)[0].id, (
        "another baseline amends it"
    )


def baseline_words(*responses: Response, started_on: date | None = EPISODE.started_on) -> str:
    at = {one.response.timepoint: one for one in scored(*responses)}
    return find_baseline(CLINIC, replace(EPISODE, started_on=started_on), at, 0).words


def test_the_baseline_says_which_it_is_and_why() -> None:
    assert baseline_words(SCREENED, STARTED) == "Start"
    assert baseline_words(SCREENED) == "Screening, 12 days before the start, because Start was not received"
    blank_start = response("mood", AT_START, "2026-03-02", "3 - -")
    assert baseline_words(SCREENED, blank_start) == (
        "Screening, 12 days before the start, because Start is not scorable"
    )
    late_start = response("mood", AT_START, "2026-03-30", "3 3 3")
    day_before = response("mood", SCREENING, "2026-03-01", "3 3 3")
    assert baseline_words(day_before, late_start) == (
        "Screening, 1 day before the start, because Start lies outside its window"
    )


@pytest.mark.parametrize(
    ("day", "counts"),
    [
        ("2026-02-01", False),  # 29 days before 2 March
        ("2026-02-02", True),  # 28 days
        ("2026-03-02", True),  # the day of the start
        ("2026-03-03", False),  # after it
    ],
)
def test_a_screening_counts_for_28_days_and_not_after_the_start(day: str, counts: bool) -> None:
    found = changes(response("mood", SCREENING, day, "3 3 3"), POSTED)
    assert points_of(found) == ([("screening", "post", "-6")] if counts else [])


def test_no_baseline_says_why() -> None:
    too_early = response("mood", SCREENING, "2026-02-01", "3 3 3")
    assert baseline_words(too_early) == (
        "no baseline: Start was not received, and no Screening score lies within 28 days before it"
    )
    assert baseline_words(STARTED, started_on=None) == "no baseline: the start of the programme is not known"


def test_a_screening_that_cannot_be_scored_is_no_baseline() -> None:
    assert changes(response("mood", SCREENING, "2026-02-18", "3 - -"), POSTED) == []


def test_a_later_score_that_is_not_there_gives_no_change() -> None:
    assert changes(STARTED, response("mood", POST, "2026-04-28", "1 - -")) == []


def test_a_withdrawn_response_counts_as_never_given() -> None:
    gone = msgspec.structs.replace(STARTED, status=ResponseStatus.ENTERED_IN_ERROR)
    assert points_of(changes(SCREENED, gone, POSTED)) == [("screening", "post", "-6")]


def test_the_newest_of_two_responses_to_the_same_form_counts() -> None:
    again = response("mood", POST, "2026-04-30", "0 0 0", number=2)
    assert points_of(changes(STARTED, again, POSTED)) == [("start", "post", "-7")]


def test_a_change_from_a_prorated_score_rests_on_the_blanks_rule_that_was_applied() -> None:
    one_blank = response("mood", POST, "2026-04-28", "1 1 -")  # 2 x 3/2 = 3
    (change,) = changes(STARTED, one_blank)
    assert change.after_score.published == "3"
    assert change.unconfirmed == ("mood.blanks",)
    assert not change.is_publishable
    (both,) = changes(response("mood", AT_START, "2026-03-02", "3 2 -"), one_blank)
    assert both.unconfirmed == ("mood.blanks",), "named once"


def test_each_instrument_is_compared_with_itself() -> None:
    before = response("skill", AT_START, "2026-03-02", "1 1")
    after = response("skill", POST, "2026-04-28", "2 2")
    found = changes(STARTED, before, POSTED, after)
    assert [(one.instrument, one.comparison.words) for one in found] == [
        ("mood", "fell by 4 points"),
        ("skill", "rose by 2 points"),
    ]


def test_an_episode_whose_start_is_not_known_has_no_changes() -> None:
    unknown = replace(EPISODE, started_on=None)
    assert scale_changes(CLINIC, unknown, scored(STARTED, POSTED)) == []
    at = {one.response.timepoint: one for one in scored(STARTED)}
    assert isinstance(find_baseline(CLINIC, unknown, at, 0), NoBaseline)
