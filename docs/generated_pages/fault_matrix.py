"""Generates docs/reference/fault-matrix.md: each fault with the tests that cover it.

The faults are the rows of the matrix in docs/research/reliability-and-safety.md; a test covers a row when its name begins
with the row's id.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generated_pages.markdown import code, page, table

OPENING = "For integrators and operators who want to know which faults are tested. Kind: reference."

INTRODUCTION = """What can go wrong between this service and an EHR, the required outcome, and the tests that inject the fault. The rows are those of
[the fault matrix of the research](../research/reliability-and-safety.md#6-fault-matrix); a test covers a row when its name begins with the row's id. The tests run on SQLite and on PostgreSQL with a
stub EHR; those marked HAPI also run with a HAPI FHIR server, each with its first and its last variant. Letters of a row: L no loss, D no duplicate, M no older version overwrites a newer one, O order, W right
patient, B bounded load, A audit, P no personal data in logs, R the risk flag is safe, C a complete pull."""

HOW = """How faults are injected: a proxy of our own ([tests/fault_injection/fault_proxy.py](../../tests/fault_injection/fault_proxy.py)) that knows whether the EHR behind it stored a request;
`kill -9` at named points ([fhir_pmp/crash_points.py](../../fhir_pmp/crash_points.py)), which only a test build enables (`FHIR_PMP_TEST_BUILD` and `FHIR_PMP_CRASH_AT`)
and all of which are tested; SIGSTOP; clocks that the test moves; databases that are locked or full. SQLite is made full by its limit on pages; for PostgreSQL
the driver reports at the commit the error of a full server, because a small table space is not available everywhere."""

ADDITIONAL_TESTS = (
    "further tests without a row",
    (
        "tests/faults/test_crash_points.py::test_killed_at_any_registered_point_nothing_is_lost_doubled_or_halved",
        "tests/faults/test_hostile_responses.py::test_a_bomb_for_an_answer_is_unknown_and_settled_later_once",
        "tests/faults/test_hostile_responses.py::test_a_gzip_bomb_takes_no_more_memory_than_an_answer_may",
        "tests/faults/test_hostile_responses.py::test_a_certificate_that_is_not_valid_pauses_and_alarms_and_is_never_waved_through",
        "tests/faults/push/test_dead_letters.py::test_the_culprit_of_a_refused_transaction_is_found_and_parked_and_the_rest_goes",
        "tests/faults/push/test_backoff_and_breaker.py::test_one_probe_goes_to_a_sick_ehr_however_many_processes_there_are",
        "tests/faults/push/test_backoff_and_breaker.py::test_nothing_below_the_outbox_tries_again",
        "tests/faults/push/test_network_faults.py::test_a_request_that_the_network_delivers_twice_has_one_effect",
        "tests/integration/ehr/test_sign_in.py::test_a_token_endpoint_that_is_sick_is_for_later_and_the_ehr_is_not_asked",
        "tests/integration/ehr/test_sign_in.py::test_a_token_endpoint_that_nobody_listens_at_is_for_later",
        "tests/integration/ehr/test_sign_in.py::test_keys_may_be_exchanged_while_deliveries_go_on",
        "tests/unit/ehr/test_response_class.py::test_every_status_has_exactly_one_class_and_it_is_the_designs",
    ),
)

_ROW = re.compile(
    r"^\| (F\d\d) \| ((?:[^|\\]|\\.)+) \| ((?:[^|\\]|\\.)+) \| ((?:[^|\\]|\\.)+) \| ([A-Z ]+) \|$",
    re.MULTILINE,
)
_IDS = re.compile(r"test((?:_f\d\d)+)_")
_ON_HAPI = re.compile(r"hapi")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the matrix."""

    id: str  # "F01"
    fault: str
    expected: str
    letters: str


@dataclass(frozen=True, slots=True)
class CoveringTest:
    """A test that covers rows."""

    ids: tuple[str, ...]
    name: str  # file::test
    on_hapi: bool


def read_matrix(reliability: str) -> list[Row]:
    """Returns the rows of the matrix, in order."""
    return [
        Row(id, fault, expected, letters) for id, fault, _, expected, letters in _ROW.findall(reliability)
    ]


def find_covering_tests(root: Path) -> list[CoveringTest]:
    """Returns every test whose name begins with the id of a row, by file and position."""
    return [test for file in sorted((root / "tests").rglob("test_*.py")) for test in _in_file(root, file)]


def fault_matrix(root: Path) -> str:
    """Returns the whole page."""
    reliability = (root / "docs" / "research" / "reliability-and-safety.md").read_text(encoding="utf-8")
    tests = find_covering_tests(root)
    rows = read_matrix(reliability)
    covered = {row.id for row in rows} & {id for test in tests for id in test.ids}
    return page(
        "The fault matrix",
        OPENING,
        INTRODUCTION,
        f"{len(covered)} of {len(rows)} rows are covered by a test whose name begins with their id.",
        table(
            ("row", "fault", "required outcome", "", "covered by"),
            ((row.id, row.fault, row.expected, row.letters, _covered_by(row, tests)) for row in rows),
        ),
        HOW,
        f"## {ADDITIONAL_TESTS[0].capitalize()}",
        "\n".join(f"- {code(name)}" for name in ADDITIONAL_TESTS[1]),
    )


def _covered_by(row: Row, tests: list[CoveringTest]) -> str:
    own = [test for test in tests if row.id in test.ids]
    return "<br>".join(code(one.name) + (" and HAPI" if one.on_hapi else "") for one in own) or "**no test**"


def _in_file(root: Path, file: Path) -> Iterator[CoveringTest]:
    module = ast.parse(file.read_text(encoding="utf-8"))
    for node in module.body:
        if not isinstance(node, ast.FunctionDef) or not (found := _IDS.match(node.name)):
            continue
        ids = tuple(part.upper() for part in found[1].split("_") if part)
        wants = [argument.arg for argument in node.args.args] + [ast.unparse(d) for d in node.decorator_list]
        yield CoveringTest(
            ids,
            f"{file.relative_to(root)}::{node.name}",
            any(_ON_HAPI.search(one) for one in wants),
        )
