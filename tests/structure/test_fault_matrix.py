"""Every row of the fault matrix is held by tests that bear its id, and those that must meet HAPI do."""

import pytest

from docs.generated_pages.fault_matrix import ADDITIONAL_TESTS, Row, find_covering_tests, read_matrix
from fhir_pmp.crash_points import POINTS
from tests.faults.test_crash_points import CHECK_BY_CRASH_POINT
from tests.structure.named_test_references import ROOT, find_dangling_references

ROWS = read_matrix((ROOT / "docs" / "research" / "reliability-and-safety.md").read_text(encoding="utf-8"))
HOLDERS = find_covering_tests(ROOT)
ON_HAPI_TOO = [f"F{n:02}" for n in (*range(3, 7), *range(13, 19), *range(23, 30))]
"""The push rows of the acceptance in reliability.md, section 6."""


def test_the_matrix_has_its_48_rows() -> None:
    assert [row.id for row in ROWS] == [f"F{n:02}" for n in range(1, 49)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_held_by_tests_that_run(row: Row) -> None:
    own = [holder.name for holder in HOLDERS if row.id in holder.ids]
    assert own, f"{row.id}: {row.fault}"
    assert find_dangling_references(own) == []


@pytest.mark.parametrize("id_", ON_HAPI_TOO)
def test_a_push_row_of_the_acceptance_is_tried_on_hapi_too(id_: str) -> None:
    assert [holder.name for holder in HOLDERS if id_ in holder.ids and holder.on_hapi]


def test_a_test_bears_no_id_that_is_no_row() -> None:
    known = {row.id for row in ROWS}
    assert [holder.name for holder in HOLDERS if not known.issuperset(holder.ids)] == []


def test_what_has_no_row_of_its_own_is_named_and_runs() -> None:
    assert find_dangling_references(list(ADDITIONAL_TESTS[1])) == []


def test_every_crash_point_is_reached_by_a_test() -> None:
    assert CHECK_BY_CRASH_POINT.keys() == POINTS.keys()
