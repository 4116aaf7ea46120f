"""Windows, due days and the four absences, in the clinic's zone and on the days its clocks change."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.identifiers import InstrumentId, TimepointId
from fhir_pmp.instruments.definition import Score
from fhir_pmp.pathway.facts import EpisodeState, Moment
from fhir_pmp.pathway.programme.definition import InstrumentNotOffered, UnknownTimepoint
from fhir_pmp.pathway.programme.timepoints import (
    Absence,
    AbsenceKind,
    BeforeEarliestDate,
    InTheFuture,
    OutsideWindow,
    absence_of_response,
    absence_of_score,
    check_moment,
    due_on,
    has_closed,
    is_within_window,
    next_due,
    today,
    window,
)
from tests.unit.pathway.examples import (
    AT_START,
    EPISODE,
    FOLLOW_UP,
    MOOD,
    POST,
    PROGRAMME,
    SCREENING,
    SKILL,
    START,
    SYDNEY,
    TOTAL,
    at,
    episode,
    on,
    utc,
)

LATER = utc("2027-01-01T00:00:00+00:00")
UNKNOWN_START = replace(EPISODE, started_on=None)


def check(timepoint: TimepointId, moment: Moment, now: str = "2027-01-01T00:00:00+00:00") -> None:
    check_moment(PROGRAMME, EPISODE, timepoint, moment, utc(now), SYDNEY)


# Start 2 March 2026: post is day 49 (20 April) to day 84 (25 May); start is 23 February to 16 March.
@pytest.mark.parametrize(
    ("timepoint", "first", "last"),
    [
        (SCREENING, "2026-01-26", "2026-03-02"),  # 35 days before in this example
        (AT_START, "2026-02-23", "2026-03-16"),
        (POST, "2026-04-20", "2026-05-25"),
        (FOLLOW_UP, "2026-07-13", "2026-09-07"),
    ],
)
def test_both_ends_of_a_window_belong_to_it(timepoint: TimepointId, first: str, last: str) -> None:
    check(timepoint, on(first))
    check(timepoint, on(last))
    for outside in (
        date.fromisoformat(first) - timedelta(days=1),
        date.fromisoformat(last) + timedelta(days=1),
    ):
        with pytest.raises(OutsideWindow, match=f"outside the window of {timepoint}"):
            check(timepoint, on(outside.isoformat()))


def test_a_moment_is_judged_by_the_clinics_day_and_a_date_is_never_shifted() -> None:
    # 19 April 23:30 in Perth is 20 April 01:30 in Sydney: inside. As a bare date, 19 April stays outside.
    check(POST, at("2026-04-19T23:30:00+08:00"))
    with pytest.raises(OutsideWindow):
        check(POST, on("2026-04-19"))
    # 26 May 00:30 in Auckland is still 25 May in Sydney.
    check(POST, at("2026-05-26T00:30:00+12:00"))


def test_a_refusal_names_field_and_days_and_not_the_date() -> None:
    with pytest.raises(NotUnderstood) as refusal:
        check(POST, on("2026-04-19"))
    assert str(refusal.value) == "authored: lies outside the window of post (day 49 to day 84 from the start)"


@pytest.mark.parametrize(
    ("now", "day", "expected"),
    [
        # The clocks go back on 5 April 2026: 24 hours after 4 April 12:00 it is only 5 April 11:00.
        ("2026-04-04T12:59:59+00:00", "2026-04-05", "refused"),  # 4 April 23:59:59, still summer time
        ("2026-04-04T13:00:00+00:00", "2026-04-05", "taken"),  # 5 April 00:00
        ("2026-04-05T13:59:59+00:00", "2026-04-06", "refused"),  # 5 April 23:59:59, 25 hours later
        ("2026-04-05T14:00:00+00:00", "2026-04-06", "taken"),
        # The clocks go forward on 4 October 2026: that day has 23 hours.
        ("2026-10-03T13:59:59+00:00", "2026-10-04", "refused"),
        ("2026-10-03T14:00:00+00:00", "2026-10-04", "taken"),
        ("2026-10-04T12:59:59+00:00", "2026-10-05", "refused"),
        ("2026-10-04T13:00:00+00:00", "2026-10-05", "taken"),
    ],
)
def test_a_date_to_come_is_refused_until_the_clinics_midnight_also_when_the_clocks_change(
    now: str, day: str, expected: str
) -> None:
    begun = date.fromisoformat(day) - timedelta(days=60)  # so that the day lies in the window of post
    episode = replace(EPISODE, started_on=begun)
    if expected == "taken":
        check_moment(PROGRAMME, episode, POST, on(day), utc(now), SYDNEY)
    else:
        with pytest.raises(InTheFuture, match="authored: lies in the future"):
            check_moment(PROGRAMME, episode, POST, on(day), utc(now), SYDNEY)


@pytest.mark.parametrize(
    ("start", "opens", "due", "closes"),
    [
        # 49, 56 and 84 calendar days, whether the 5 April (25 hours) or the 4 October (23 hours) lies between.
        (date(2026, 3, 2), date(2026, 4, 20), date(2026, 4, 27), date(2026, 5, 25)),
        (date(2026, 9, 1), date(2026, 10, 20), date(2026, 10, 27), date(2026, 11, 24)),
    ],
)
def test_days_are_calendar_days_across_a_change_of_clocks(
    start: date, opens: date, due: date, closes: date
) -> None:
    begun = replace(EPISODE, started_on=start)
    open_days = window(PROGRAMME.post, begun)
    assert open_days is not None
    assert (open_days.opens_on, open_days.closes_on) == (opens, closes)
    assert due_on(PROGRAMME.post, begun) == due


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-04-05T02:30:00+11:00", "2026-04-05"),  # the first half past two of that night
        ("2026-04-05T02:30:00+10:00", "2026-04-05"),  # the second
        ("2026-10-04T03:00:00+11:00", "2026-10-04"),  # just after the hour that is not there
        ("2026-10-03T13:30:00+00:00", "2026-10-03"),  # 23:30 in Sydney
    ],
)
def test_a_moment_of_the_changing_night_has_its_day(moment: str, day: str) -> None:
    first_day = replace(EPISODE, started_on=date.fromisoformat(day) - timedelta(days=49))
    day_before = replace(EPISODE, started_on=date.fromisoformat(day) - timedelta(days=48))
    assert is_within_window(PROGRAMME.post, first_day, at(moment), SYDNEY) is True
    assert is_within_window(PROGRAMME.post, day_before, at(moment), SYDNEY) is False


def test_a_moment_to_come_is_refused_to_the_second() -> None:
    check(POST, at("2026-04-27T10:00:00+10:00"), now="2026-04-27T00:00:00+00:00")
    with pytest.raises(InTheFuture):
        check(POST, at("2026-04-27T10:00:01+10:00"), now="2026-04-27T00:00:00+00:00")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "1849-12-31T23:59:59+11:00"])
def test_a_moment_before_anybody_living_is_refused_with_and_without_a_start(text: str) -> None:
    moment, now = datetime.fromisoformat(text), utc("2026-04-27T00:00:00+00:00")
    for stated in (Moment(text, moment.date(), moment), on(text[:10])):
        for begun in (EPISODE, replace(EPISODE, started_on=None)):
            with pytest.raises(BeforeEarliestDate, match="authored: lies before 1850"):
                check_moment(PROGRAMME, begun, "screening", stated, now, SYDNEY)


def test_today_is_the_clinics_day() -> None:
    assert today(utc("2026-04-27T14:00:00+00:00"), SYDNEY) == date(2026, 4, 28)


def test_before_the_start_is_known_screening_and_start_wait_to_be_judged() -> None:
    for timepoint in (SCREENING, AT_START):
        check_moment(PROGRAMME, UNKNOWN_START, timepoint, on("2020-01-01"), LATER, SYDNEY)
        assert (
            is_within_window(PROGRAMME.timepoint(timepoint), UNKNOWN_START, on("2020-01-01"), SYDNEY) is None
        )


def test_before_the_start_is_known_nothing_can_come_from_after_it() -> None:
    with pytest.raises(OutsideWindow, match="post opens after the start, which is not known yet"):
        check_moment(PROGRAMME, UNKNOWN_START, POST, on("2026-04-27"), LATER, SYDNEY)


def test_a_timepoint_nobody_knows_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(UnknownTimepoint, match="timepoint: is none of screening, start, post, follow_up"):
        check(TimepointId("week_3"), on("2026-04-27"))


def test_an_instrument_not_offered_at_a_timepoint_is_refused_by_name() -> None:
    assert PROGRAMME.check_offered(AT_START, SKILL).id == AT_START
    with pytest.raises(InstrumentNotOffered, match="instrument: follow_up offers mood"):
        PROGRAMME.check_offered(FOLLOW_UP, SKILL)


@pytest.mark.parametrize(
    ("now", "closed"), [("2026-05-25T23:59:59+10:00", False), ("2026-05-26T00:00:00+10:00", True)]
)
def test_a_window_closes_at_the_end_of_its_last_day(now: str, closed: bool) -> None:
    assert has_closed(PROGRAMME.post, EPISODE, utc(now), SYDNEY) is closed
    assert not has_closed(PROGRAMME.post, UNKNOWN_START, utc(now), SYDNEY)


# The four absences and their wordings.


def absence(
    timepoint: TimepointId, name: InstrumentId, now: str, of: EpisodeState, started: bool = True
) -> str:
    one = episode(of, started_on=START if started else None)
    return absence_of_response(PROGRAMME.timepoint(timepoint), one, name, utc(now), SYDNEY).text


def test_not_offered_is_what_the_timepoint_does_not_ask_for() -> None:
    assert absence(FOLLOW_UP, SKILL, "2027-01-01T00:00:00Z", EpisodeState.COMMENCED) == "not offered"
    # Accepted when it comes, but never owed.
    assert absence(POST, SKILL, "2027-01-01T00:00:00Z", EpisodeState.COMMENCED) == "not offered"


def test_not_yet_due_says_the_date_until_that_day_begins_in_the_clinic() -> None:
    the_evening_before, midnight = "2026-04-26T23:59:00+10:00", "2026-04-27T00:00:00+10:00"
    assert absence(POST, MOOD, the_evening_before, EpisodeState.COMMENCED) == "not yet due (27 April 2026)"
    assert absence(POST, MOOD, midnight, EpisodeState.COMMENCED) == "due and not received"


@pytest.mark.parametrize("state", [EpisodeState.FINISHED, EpisodeState.STOPPED])
def test_an_ended_episode_still_owes_its_follow_up(state: EpisodeState) -> None:
    assert absence(FOLLOW_UP, MOOD, "2026-04-28T00:00:00Z", state) == "not yet due (27 July 2026)"


@pytest.mark.parametrize("state", [EpisodeState.REFERRED, EpisodeState.ACCEPTED, EpisodeState.ENROLLED])
def test_before_the_start_is_known_the_due_day_is_not_invented(state: EpisodeState) -> None:
    stated = absence(AT_START, MOOD, "2026-04-28T00:00:00Z", state, started=False)
    assert stated == "not yet due (dated once the programme starts)"


@pytest.mark.parametrize("timepoint", [AT_START, POST, FOLLOW_UP])
def test_who_never_started_was_never_offered_what_follows_the_start(timepoint: TimepointId) -> None:
    stated = absence(timepoint, MOOD, "2026-12-01T00:00:00Z", EpisodeState.NEVER_STARTED, started=False)
    assert stated == "not offered"


def test_screening_is_due_on_the_day_of_enrolment() -> None:
    stated = absence(SCREENING, MOOD, "2026-03-30T00:00:00Z", EpisodeState.NEVER_STARTED, started=False)
    assert stated == "due and not received"
    stated = absence(SCREENING, MOOD, "2026-02-15T00:00:00Z", EpisodeState.ENROLLED, started=False)
    assert stated == "not yet due (16 February 2026)"


def test_a_referral_that_was_declined_was_offered_nothing() -> None:
    declined = replace(EPISODE, state=EpisodeState.DECLINED, started_on=None, enrolled_on=None)
    stated = absence_of_response(PROGRAMME.screening, declined, MOOD, LATER, SYDNEY)
    assert stated == Absence(AbsenceKind.NOT_OFFERED)


def test_received_and_not_scorable_counts_the_answers() -> None:
    score = Score(TOTAL, None, None, None, answered=6, blanks=3, prorated=False)
    assert absence_of_score(score).text == "received and not scorable (6 of 9 answered)"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-01T00:00:00Z", (AT_START, date(2026, 3, 2))),
        ("2026-03-02T00:00:00Z", (POST, date(2026, 4, 27))),
        ("2026-04-28T00:00:00Z", (FOLLOW_UP, date(2026, 7, 27))),
        ("2026-07-28T00:00:00Z", None),
    ],
)
def test_the_next_due_timepoint_is_the_next_contact(
    now: str, expected: tuple[TimepointId, date] | None
) -> None:
    found = next_due(PROGRAMME, EPISODE, utc(now), SYDNEY)
    assert (None if found is None else (found[0].id, found[1])) == expected
