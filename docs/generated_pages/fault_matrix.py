"""docs/reference/fault-matrix.md: each fault of the matrix in reliability.md, with the tests whose names begin with its id."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generated_pages.markdown import code, page, table

OPENING = "For integrators and operators who want to know what is tried out on purpose. Kind: reference."

INTRODUCTION = """What can go wrong between us and an EHR, what must come of it, and the tests that do it on purpose. The rows are those of the matrix in
[the fault matrix of the research](../research/reliability-and-safety.md#6-fault-matrix); a test holds a row when its name begins with the row's id. They run on SQLite and on PostgreSQL before a
stub EHR; those marked HAPI run before a HAPI FHIR server as well, each with its first and its last variant. Letters behind a row: L no loss, D no duplicate, M no going back, O order, W right
patient, B bounded load, A audit, P no person's words in a log, R the risk flag is safe, C a complete pull."""

HOW = """How it is done: a proxy of our own ([tests/fault_injection/fault_proxy.py](../../tests/fault_injection/fault_proxy.py)) that knows whether the EHR behind it had stored what it was sent;
`kill -9` at named points ([fhir_pmp/crash_points.py](../../fhir_pmp/crash_points.py)), which only a test build arms (`FHIR_PMP_TEST_BUILD` and `FHIR_PMP_CRASH_AT`)
and of which a test walks every one; SIGSTOP; clocks that the test moves; databases that are locked or full. SQLite is made truly full by its own limit on pages; for PostgreSQL
the driver reports at the commit what a server without room reports, as no small table space can be counted on everywhere."""

ADDITIONAL_TESTS = (
    "more of the same kind, without a row of its own",
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
    """A test that holds rows."""

    ids: tuple[str, ...]
    name: str  # file::test
    on_hapi: bool


def read_matrix(reliability: str) -> list[Row]:
    """The rows of the matrix, in order."""
    return [
        Row(id, fault, expected, letters) for id, fault, _, expected, letters in _ROW.findall(reliability)
    ]


def find_covering_tests(root: Path) -> list[CoveringTest]:
    """Every test whose name begins with the id of a row, by file and place in it."""
    return [test for file in sorted((root / "tests").rglob("test_*.py")) for test in _in_file(root, file)]


def fault_matrix(root: Path) -> str:
    """The page, whole."""
    reliability = (root / "docs" / "research" / "reliability-and-safety.md").read_text(encoding="utf-8")
    tests = find_covering_tests(root)
    rows = read_matrix(reliability)
    covered = {row.id for row in rows} & {id for test in tests for id in test.ids}
    return page(
        "The fault matrix",
        OPENING,
        INTRODUCTION,
        f"{len(covered)} of {len(rows)} rows are held by a test that bears their id.",
        table(
            ("row", "what goes wrong", "what must come of it", "", "held by"),
            ((row.id, row.fault, row.expected, row.letters, _covered_by(row, tests)) for row in rows),
        ),
        HOW,
        f"## And {ADDITIONAL_TESTS[0]}",
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
