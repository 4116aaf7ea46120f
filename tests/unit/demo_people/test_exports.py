"""The exports look as a platform writes them: one header, the person on every row, blanks empty, amendments marked."""

import csv
from collections.abc import Callable
from datetime import date, datetime
from io import StringIO
from itertools import groupby
from typing import TextIO

import pytest

from demo.people import Person, cohort, write_long_csv, write_wide_csv
from demo.people.questionnaires import ITEMS

EVENTS = {
    "screening": "screening_arm_1",
    "start": "start_arm_1",
    "post": "post_arm_1",
    "follow_up": "followup_arm_1",
}
PERSON_COLUMNS = [
    "record_id",
    "redcap_event_name",
    "given_name",
    "family_name",
    "birth_date",
    "sex",
    "medicare_number",
    "referral_number",
    "share_with_ehr",
    "gp_practice_id",
    "gp_practice_name",
    "gp_provider_id",
    "gp_name",
    "enrolled_on",
    "started_on",
    "lesson_1_on",
    "lesson_2_on",
    "lesson_3_on",
    "lesson_4_on",
    "lesson_5_on",
    "ended_on",
    "ended_how",
    "stop_reason",
]


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return list(cohort(400, seed=5, today=date(2026, 7, 1)))


def written(
    write: Callable[[list[Person], TextIO], int], people: list[Person]
) -> tuple[list[dict[str, str]], int]:
    file = StringIO(newline="")
    count = write(people, file)
    file.seek(0)
    return list(csv.DictReader(file)), count


def wide(people: list[Person], *, amendments: bool = False) -> tuple[list[dict[str, str]], int]:
    return written(lambda them, file: write_wide_csv(them, file, amendments=amendments), people)


def long(people: list[Person], *, amendments: bool = False) -> tuple[list[dict[str, str]], int]:
    return written(lambda them, file: write_long_csv(them, file, amendments=amendments), people)


def test_the_wide_header_is_the_platforms(people: list[Person]) -> None:
    rows, _ = wide(people)
    header = list(rows[0])
    assert header[: len(PERSON_COLUMNS)] == PERSON_COLUMNS
    assert header[len(PERSON_COLUMNS) : len(PERSON_COLUMNS) + 3] == ["phq9_date", "phq9_amends", "phq9_1"]
    for column in [
        "phq9_9",
        "phq9_difficulty",
        "gad7_7",
        "pcs_13",
        "pseq_10",
        "k10_10",
        "bpi_sf_date",
        "bpi_sf_worst",
        "bpi_sf_enjoyment",
        "satisfaction_satisfaction",
        "satisfaction_recommend",
        "pgic_pgic",
    ]:
        assert column in header
    assert len(header) == len(set(header)) == len(PERSON_COLUMNS) + 2 * 8 + 64


def test_a_wide_row_stands_for_each_person_and_timepoint(people: list[Person]) -> None:
    rows, count = wide(people)
    keys = [(row["record_id"], row["redcap_event_name"]) for row in rows]
    expected = {(p.record_id, EVENTS[r.timepoint]) for p in people for r in p.responses}
    assert len(keys) == len(set(keys))
    assert expected <= set(keys)
    assert {record for record, _ in keys} == {person.record_id for person in people}
    assert count == sum(len(person.responses) for person in people)


def test_a_person_reads_the_same_on_each_of_their_rows(people: list[Person]) -> None:
    rows, _ = wide(people)
    by_id = {person.record_id: person for person in people}
    for row in rows:
        person = by_id[row["record_id"]]
        assert row["given_name"] == person.given_name
        assert row["birth_date"] == person.birth_date.isoformat()
        assert row["share_with_ehr"] == {True: "1", False: "0", None: ""}[person.share_with_ehr]
        assert row["gp_practice_id"] == person.practice.identifier
        assert row["started_on"] == (person.started_on.isoformat() if person.started_on else "")
        assert [row[f"lesson_{n}_on"] for n in range(1, 6) if row[f"lesson_{n}_on"]] == [
            done.isoformat() for done in person.lessons_on
        ]
        assert row["ended_how"] == (person.ended_how or "")
        assert row["referral_number"] == ""


def test_wide_cells_hold_the_answers_and_nothing_else(people: list[Person]) -> None:
    rows, _ = wide(people)
    responses = {(p.record_id, EVENTS[r.timepoint], r.instrument): r for p in people for r in p.responses}
    for row in rows:
        for instrument, items in ITEMS.items():
            response = responses.get((row["record_id"], row["redcap_event_name"], instrument))
            cells = [row[f"{instrument}_{item}"] for item in items]
            if response is None:
                assert [row[f"{instrument}_date"], row[f"{instrument}_amends"], *cells] == [""] * (
                    len(items) + 2
                )
            else:
                answers = [response.answers[item] for item in items]
                assert cells == ["" if answer is None else str(answer) for answer in answers]
                assert row[f"{instrument}_date"] == response.answered_at.date().isoformat()
                assert row[f"{instrument}_amends"] == ""


def test_the_later_wide_export_holds_the_corrected_rows_and_marks_what_amends(people: list[Person]) -> None:
    first, _ = wide(people)
    earlier = {(row["record_id"], row["redcap_event_name"]): row for row in first}
    rows, _ = wide(people, amendments=True)
    amended = {(p.record_id, EVENTS[r.timepoint]): r for p in people for r in p.amended}
    assert {(row["record_id"], row["redcap_event_name"]) for row in rows} == set(amended)
    for row in rows:
        key = (row["record_id"], row["redcap_event_name"])
        correction = amended[key]
        assert row[f"{correction.instrument}_amends"] == "1"
        changed = {column for column, cell in row.items() if cell != earlier[key][column]}
        assert changed > {f"{correction.instrument}_amends"}
        assert all(column.startswith(f"{correction.instrument}_") for column in changed)


def test_the_long_header_is_the_platforms(people: list[Person]) -> None:
    rows, _ = long(people)
    assert list(rows[0]) == [
        "record_id",
        "response_id",
        "timepoint",
        "instrument",
        "answered_at",
        "amends",
        "item",
        "value",
    ]


def test_the_rows_of_a_long_response_stand_together(people: list[Person]) -> None:
    rows, count = long(people)
    groups = [name for name, _ in groupby(rows, key=lambda row: row["response_id"])]
    assert len(groups) == len(set(groups)) == count == sum(len(person.responses) for person in people)


def test_long_rows_hold_the_answers_with_moment_and_offset(people: list[Person]) -> None:
    rows, _ = long(people)
    responses = {response.response_id: response for person in people for response in person.responses}
    for name, group in groupby(rows, key=lambda row: row["response_id"]):
        response, answers = responses[name], list(group)
        values = {row["item"]: row["value"] for row in answers}
        prefix = f"{response.instrument}-"
        assert values == {
            prefix + item: "" if answer is None else str(answer) for item, answer in response.answers.items()
        }
        for row in answers:
            assert (row["timepoint"], row["instrument"]) == (response.timepoint, response.instrument)
            moment = datetime.fromisoformat(row["answered_at"])
            assert moment == response.answered_at
            assert moment.utcoffset() is not None
            assert row["amends"] == ""


def test_the_later_long_export_holds_the_corrections_under_the_same_ids(people: list[Person]) -> None:
    rows, count = long(people, amendments=True)
    amended = [response.response_id for person in people for response in person.amended]
    assert count == len(amended) > 0
    assert {row["response_id"] for row in rows} == set(amended)
    assert {row["amends"] for row in rows} == {"1"}
