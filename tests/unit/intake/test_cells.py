"""The text of a cell as a date or a moment: what is plainly one, and nothing else."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from fhir_pmp.intake.csv_import.cells import CellReader, read_day, read_moment

DAYS = {
    "2026-03-01": date(2026, 3, 1),
    "2028-02-29": date(2028, 2, 29),
    "2026-02-29": None,
    "2026-3-1": None,
    "01/03/2026": None,
    "20260301": None,
    " 2026-03-01": None,
    "2026-03-01\n": None,
    "２０２６-03-01": None,  # digits, but not those of ASCII
    "2026-W10-1": None,
    "": None,
}


@pytest.mark.parametrize(("text", "day"), DAYS.items())
def test_a_day_is_written_in_one_way(text: str, day: date | None) -> None:
    assert read_day(text) == day


MOMENTS = {
    "2026-03-01T10:11:12+11:00": datetime(2026, 3, 1, 10, 11, 12, tzinfo=timezone(timedelta(hours=11))),
    "2026-03-01T10:11:12Z": datetime(2026, 3, 1, 10, 11, 12, tzinfo=UTC),
    "2026-03-01T10:11:12.345Z": datetime(2026, 3, 1, 10, 11, 12, 345000, tzinfo=UTC),
    "2026-03-01T10:11+11:00": None,
    "2026-03-01T10:11:12": None,
    "2026-03-01 10:11:12Z": None,
    "2026-03-01T25:00:00Z": None,
    "2026-03-01T10:11:60Z": None,
    "2026-03-01T10:11:12+1100": None,
}


@pytest.mark.parametrize(("text", "moment"), MOMENTS.items())
def test_a_moment_has_seconds_and_offset_and_keeps_them_as_written(
    text: str, moment: datetime | None
) -> None:
    found = read_moment(text)
    if moment is None:
        assert found is None
    else:
        assert found is not None
        assert (found.text, found.at, found.on) == (text, moment, date(2026, 3, 1))
        assert found.at is not None and found.at.utcoffset() == moment.utcoffset()


def test_a_day_alone_has_no_time() -> None:
    found = read_moment("2026-03-01")
    assert found is not None and (found.at, found.on) == (None, date(2026, 3, 1))


def test_a_reader_collects_every_fault_of_a_row_by_its_column_and_no_value() -> None:
    cells = CellReader({"name": "", "born": "Smith", "sex": "Smith", "note": "a\x07b", "kept": "as it is"})
    assert cells.text("name", required=True) is None
    assert cells.day("born") is None
    assert cells.choice("sex", {"f": 1, "m": 2}) is None
    assert cells.text("note") is None
    assert cells.text("kept") == "as it is"
    assert cells.text(None) is None
    assert [fault.field for fault in cells.faults] == ["name", "born", "sex", "note"]
    assert not any("Smith" in fault.what for fault in cells.faults)
