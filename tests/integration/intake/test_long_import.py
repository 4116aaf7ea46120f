"""The long export is handed in: the rows of a response stand together, and each response is taken whole or not at all."""

import csv
import io

import pytest

from fhir_pmp.intake.csv_import.csv_rows import FileNotReadable
from tests.integration.intake.intake_harness import LONG, IntakeHarness, enrolment, long_csv, long_rows


@pytest.fixture(autouse=True)
def known_person(harness: IntakeHarness) -> None:
    """The long export brings answers only: the person is known from another door."""
    harness.enrol(enrolment("PMP-1"))


def _answers(harness: IntakeHarness) -> list[dict[str, int]]:
    with harness.store.read() as uow:
        found = uow.responses.of_episode(harness.episode("PMP-1").id)
    return [{str(item): value for item, value in one.response.answers.items()} for one in found]


def test_rows_that_stand_together_are_one_response_under_the_platforms_own_id(harness: IntakeHarness) -> None:
    imported = harness.import_file(long_csv(*long_rows("r1", answers="012-333")), LONG)
    assert imported.counts == (1, 0, 0, 0)
    assert _answers(harness) == [
        {f"gad7-{n}": v for n, v in ((1, 0), (2, 1), (3, 2), (5, 3), (6, 3), (7, 3))}
    ]
    (published,) = harness.published("QuestionnaireResponse").values()
    assert published["identifier"] == {
        "system": "https://clinic.example/fhir/sources/answers-long/response",
        "value": "r1",
    }
    assert published["authored"] == "2026-03-02T10:11:12+11:00"
    assert harness.import_file(long_csv(*long_rows("r1", answers="012-333")), LONG).counts == (0, 1, 0, 0)


def test_a_response_that_resumes_later_is_refused_there_and_stands_where_it_stood_together(
    harness: IntakeHarness,
) -> None:
    first, between = long_rows("r1"), long_rows("r2", "phq9", "0" * 9)
    imported = harness.import_file(long_csv(*first, *between, *long_rows("r1", answers="3333333")[:2]), LONG)
    assert imported.counts == (2, 0, 0, 1)
    assert [(line, column) for line, column, _ in imported.refusal_lines] == [
        (18, "response_id"),
        (19, "response_id"),
    ]
    assert {"gad7-1": 0}.items() <= _answers(harness)[0].items() | _answers(harness)[1].items()


def test_an_amendment_is_stated_on_the_rows(harness: IntakeHarness) -> None:
    harness.import_file(long_csv(*long_rows("r1")), LONG)
    other = harness.import_file(long_csv(*long_rows("r1", answers="3000000")), LONG)
    assert (other.counts, other.refusal_lines[0][:2]) == ((0, 0, 0, 1), (2, "answers"))
    amending = long_csv(*long_rows("r1", answers="3000000", amends="1"))
    assert harness.import_file(amending, LONG).counts == (0, 0, 1, 0)
    assert harness.import_file(amending, LONG).counts == (0, 1, 0, 0)


def _changed(at: int, **cells: str) -> list[dict[str, str]]:
    rows = long_rows("r1")
    rows[at] |= cells
    return rows


WRONG: dict[str, tuple[list[dict[str, str]], tuple[int, str]]] = {
    "an answer that is not offered": (_changed(2, value="7"), (4, "value of gad7-3")),
    "a missing code": (_changed(2, value="-2"), (4, "value of gad7-3")),
    "a decimal": (_changed(2, value="2.0"), (4, "value of gad7-3")),
    "an item of another instrument": (_changed(2, item="phq9-1"), (4, "item")),
    "an item of nobody, left blank": (_changed(2, item="Smith", value=""), (4, "item")),
    "one item twice": (_changed(2, item="gad7-1"), (4, "item")),
    "another heading in the middle": (_changed(2, timepoint="post"), (4, "")),
    "a timepoint we do not know": (long_rows("r1", timepoint="start", at="x"), (2, "answered_at")),
    "a date without a time": (long_rows("r1", at="2026-03-02"), (2, "answered_at")),
    "a time without an offset": (long_rows("r1", at="2026-03-02T10:11:12"), (2, "answered_at")),
    "outside its window": (long_rows("r1", at="2026-05-02T10:11:12+10:00"), (2, "answered_at")),
    "to come": (long_rows("r1", at="2027-03-02T10:11:12+11:00"), (2, "answered_at")),
    "a person of nobody": (long_rows("r1", record="PMP-9"), (2, "record_id")),
    "no person": (long_rows("r1", record=""), (2, "record_id")),
    "no response id": (long_rows(""), (2, "response_id")),
    "an instrument we do not know": (long_rows("r1", "gad99"), (2, "instrument")),
    "an instrument that is not asked then": (long_rows("r1", "satisfaction", "1"), (2, "item")),
    "a word for the mark": (long_rows("r1", amends="yes"), (2, "amends")),
}


@pytest.mark.parametrize(("rows", "where"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_one_row_costs_the_whole_response_and_is_told_by_its_line(
    harness: IntakeHarness, rows: list[dict[str, str]], where: tuple[int, str]
) -> None:
    good = long_rows("r2", "phq9", "0" * 9)
    imported = harness.import_file(long_csv(*rows, *good), LONG)
    assert imported.counts == (1, 0, 0, 1)
    assert where in [(line, column) for line, column, _ in imported.refusal_lines]
    assert "Smith" not in str(imported.refusal_lines)
    assert [set(one) for one in _answers(harness)] == [{f"phq9-{n}" for n in range(1, 10)}]
    # All rows of the refused response are kept, so that it can be corrected and given again whole.
    kept = list(csv.DictReader(io.StringIO(imported.refused.read_text(), newline="")))
    assert [{k: v for k, v in row.items() if k != "refused_because"} for row in kept] == rows


BROKEN = {
    "not UTF-8": (b"gad7-4,", b"gad7-\xe4,"),
    "a NUL": (b"gad7-4,", b"gad7-4\x00,"),
    "a cell too many": (b"gad7-4,", b"gad7-4,,"),
    "an unreadable id in the middle": (b"PMP-1,r1,start,gad7,2026-03-02T10:11:12+11:00,,gad7-4,0", b"PMP-1"),
}


@pytest.mark.parametrize(("found", "put"), BROKEN.values(), ids=BROKEN)
def test_a_broken_row_in_the_middle_never_leaves_half_a_response(
    harness: IntakeHarness, found: bytes, put: bytes
) -> None:
    file = long_csv(*long_rows("r1"), *long_rows("r2", "phq9", "0" * 9)).encode()
    assert found in file
    imported = harness.import_file(file.replace(found, put), LONG)
    assert imported.counts == (1, 0, 0, 1)
    assert len(_answers(harness)) == 1
    assert imported.report.refused_rows == 7


def test_rows_without_end_under_one_id_do_not_fill_the_memory(harness: IntakeHarness) -> None:
    rows = long_rows("r1") * 50
    imported = harness.import_file(long_csv(*rows, *long_rows("r2", "phq9", "0" * 9)), LONG)
    accepted, _, _, refused = imported.counts
    assert accepted == 1 and refused > 1
    assert imported.report.refused_rows == len(rows)


def test_a_file_lacking_a_column_is_refused_whole(harness: IntakeHarness) -> None:
    with pytest.raises(FileNotReadable) as refused:
        harness.import_file(long_csv(*long_rows("r1")).replace("response_id,", "").replace(",r1,", ","), LONG)
    assert [fault.field for fault in refused.value.faults] == ["column response_id"]


def test_a_long_file_has_its_own_ids_and_does_not_answer_for_the_wide_one(harness: IntakeHarness) -> None:
    harness.import_file(long_csv(*long_rows("r1")), LONG)
    # Another id for the same person, instrument and timepoint: which of the two is meant is not ours to guess.
    imported = harness.import_file(long_csv(*long_rows("r9")), LONG)
    assert (imported.counts, imported.refusal_lines[0][1]) == ((0, 0, 0, 1), "timepoint")
