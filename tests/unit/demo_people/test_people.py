"""Each synthetic person is somebody who could have been: values offered, dates in their windows, the same every time."""

from datetime import date, timedelta

import pytest

from demo.people import PRACTICES, Person, cohort
from demo.people.questionnaires import ASKED_AT, ITEMS, WINDOWS

TODAY = date(2026, 7, 1)
SEED = 3

OFFERED = {
    "phq9": (0, 3),
    "gad7": (0, 3),
    "pcs": (0, 4),
    "pseq": (0, 6),
    "k10": (1, 5),
    "bpi_sf": (0, 10),
    "pgic": (1, 7),
}
NUMBER_OF_ITEMS = {
    "phq9": 10,  # nine scored, and how difficult it made things
    "gad7": 7,
    "pcs": 13,
    "pseq": 10,
    "k10": 10,
    "bpi_sf": 11,
    "satisfaction": 2,
    "pgic": 1,
}


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return list(cohort(2_000, seed=SEED, today=TODAY))


def offered(instrument: str, item: str) -> tuple[int, int]:
    if instrument == "satisfaction":
        return (1, 5) if item == "satisfaction" else (0, 1)
    return OFFERED[instrument]


def test_the_same_seed_gives_the_same_people_whatever_the_size(people: list[Person]) -> None:
    assert list(cohort(300, seed=SEED, today=TODAY)) == people[:300]


def test_another_seed_gives_other_people(people: list[Person]) -> None:
    others = list(cohort(300, seed=SEED + 1, today=TODAY))
    assert all(
        one.responses != other.responses for one, other in zip(others, people, strict=False) if one.responses
    )


def test_every_instrument_has_its_items() -> None:
    assert {instrument: len(items) for instrument, items in ITEMS.items()} == NUMBER_OF_ITEMS


def test_every_answer_is_a_value_that_is_offered(people: list[Person]) -> None:
    seen: dict[str, set[int]] = {}
    for response in (one for person in people for one in (*person.responses, *person.amended)):
        assert tuple(response.answers) == ITEMS[response.instrument]
        for item, answer in response.answers.items():
            lowest, highest = offered(response.instrument, item)
            assert answer is None or (type(answer) is int and lowest <= answer <= highest)
            if answer is not None:
                seen.setdefault(response.instrument, set()).add(answer)
    for instrument, (lowest, highest) in OFFERED.items():
        assert seen[instrument] == set(range(lowest, highest + 1))


def test_a_person_answers_what_the_timepoint_asks_and_each_once(people: list[Person]) -> None:
    for person in people:
        asked = [(response.timepoint, response.instrument) for response in person.responses]
        assert len(asked) == len(set(asked))
        assert all(instrument in ASKED_AT[timepoint] for timepoint, instrument in asked)
        assert asked == sorted(asked, key=lambda one: list(WINDOWS).index(one[0]))
        moments = [response.answered_at for response in person.responses]
        assert moments == sorted(moments)


def test_every_response_lies_in_its_window_and_before_today(people: list[Person]) -> None:
    windows = {"screening": (-28, 0), "start": (-7, 14), "post": (49, 84), "follow_up": (133, 189)}
    for person in people:
        for response in person.responses:
            day = response.answered_at.date()
            assert day < TODAY
            # Someone who never started has no start to count from, and was screened before they enrolled.
            counted_from = person.started_on or person.enrolled_on
            first, last = windows[response.timepoint]
            assert first <= (day - counted_from).days <= last


def test_nothing_at_all_lies_on_today_or_after_it(people: list[Person]) -> None:
    for person in people:
        dates = [
            person.referred_on,
            person.enrolled_on,
            person.started_on,
            *person.lessons_on,
            person.ended_on,
        ]
        assert all(one < TODAY for one in dates if one)


def test_a_course_runs_in_order(people: list[Person]) -> None:
    for person in people:
        assert person.referred_on < person.enrolled_on
        assert TODAY - timedelta(days=365) <= person.enrolled_on
        assert list(person.lessons_on) == sorted(set(person.lessons_on))
        assert len(person.lessons_on) <= 5
        if person.started_on:
            assert timedelta(0) <= person.started_on - person.enrolled_on <= timedelta(days=14)
            assert person.lessons_on[0] == person.started_on
        else:
            assert not person.lessons_on
            assert {response.timepoint for response in person.responses} <= {"screening"}
        assert (person.ended_on is None) == (person.ended_how is None)
        assert person.ended_on is None or person.ended_on >= max((person.enrolled_on, *person.lessons_on))
        assert person.stop_reason is None or person.ended_how == "stopped"


def test_the_cohort_is_at_every_stage_of_the_programme(people: list[Person]) -> None:
    not_ended = [person for person in people if person.ended_how is None]
    assert any(person.started_on is None for person in not_ended)
    assert any(0 < len(person.lessons_on) < 5 for person in not_ended)
    assert {person.ended_how for person in people} == {None, "finished", "stopped", "never_started"}
    finished = [person for person in people if person.ended_how == "finished"]
    assert any(all(response.timepoint != "follow_up" for response in person.responses) for person in finished)
    assert any(person.stop_reason is None for person in people if person.ended_how == "stopped")


def test_the_first_two_hundred_hold_what_the_demonstration_shows(people: list[Person]) -> None:
    shown = people[:200]
    phq9 = [response for person in shown for response in person.responses if response.instrument == "phq9"]
    blanks = [sum(answer is None for answer in response.answers.values()) for response in phq9]
    assert sum(person.referred for person in shown) >= 45
    assert any(person.share_with_ehr is False for person in shown)
    assert any(person.share_with_ehr is None for person in shown)
    assert any(person.ended_how == "never_started" for person in shown)
    assert any(person.stop_reason for person in shown)
    assert any(person.amended for person in shown)
    assert any(response.answers["9"] is None for response in phq9)
    assert any(response.answers["9"] for response in phq9)
    assert any(0 < count <= 2 for count in blanks)
    assert any(sum(response.answers[item] is None for item in "123456789") > 2 for response in phq9)


def test_a_form_is_never_wholly_blank(people: list[Person]) -> None:
    for response in (one for person in people for one in (*person.responses, *person.amended)):
        assert any(answer is not None for answer in response.answers.values())


def test_an_amended_response_differs_from_the_one_it_corrects(people: list[Person]) -> None:
    amended = [(person, one) for person in people for one in person.amended]
    assert amended
    for person, correction in amended:
        (original,) = [one for one in person.responses if one.response_id == correction.response_id]
        assert correction.answers != original.answers
        assert (correction.timepoint, correction.instrument, correction.answered_at) == (
            original.timepoint,
            original.instrument,
            original.answered_at,
        )


def test_identifiers_are_nobody_elses(people: list[Person]) -> None:
    records = [person.record_id for person in people]
    cards = [person.medicare_number for person in people if person.medicare_number]
    responses = [response.response_id for person in people for response in person.responses]
    assert all(len(values) == len(set(values)) for values in (records, cards, responses))
    assert 0.85 < len(cards) / len(records) < 1


def medicare_check_digit(stem: str) -> int:
    return sum(int(digit) * weight for digit, weight in zip(stem, (1, 3, 7, 9, 1, 3, 7, 9), strict=True)) % 10


def test_a_medicare_number_carries_its_check_digit(people: list[Person]) -> None:
    # The example of NEHTA's conformance requirements (2011): card number 2123 4567 has check digit 0.
    assert medicare_check_digit("21234567") == 0
    for number in (person.medicare_number for person in people if person.medicare_number):
        assert len(number) == 11
        assert number[0] in "23456"
        assert int(number[8]) == medicare_check_digit(number[:8])
        assert number[9] != "0"
        assert number[10] != "0"


def test_people_are_adults_with_a_name_a_sex_and_a_gp(people: list[Person]) -> None:
    for person in people:
        assert 18 <= (person.enrolled_on - person.birth_date).days / 365.25 < 90
        assert person.given_name
        assert person.family_name
        assert person.practice in PRACTICES
        assert person.practitioner in person.practice.practitioners
        assert person.referral_number is None
    assert {person.sex for person in people} == {"female", "male", "other", "unknown"}


def test_practices_and_their_gps_are_told_apart() -> None:
    assert len(PRACTICES) == len({practice.identifier for practice in PRACTICES}) == 12
    providers = [one.provider_id for practice in PRACTICES for one in practice.practitioners]
    assert len(providers) == len(set(providers))
    assert all(len(practice.identifier) == 16 for practice in PRACTICES)


def test_nobodys_least_pain_is_worse_than_their_worst(people: list[Person]) -> None:
    for response in (one for person in people for one in person.responses if one.instrument == "bpi_sf"):
        felt = [response.answers[item] for item in ("least", "average", "worst")]
        answered = [value for value in felt if value is not None]
        assert answered == sorted(answered)
