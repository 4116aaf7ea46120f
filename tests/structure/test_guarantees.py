"""Each promise of docs/guarantees.md has marked tests that run; the page also states what is not promised."""

import re
from pathlib import Path

import pytest

from docs.generated_pages.promise_tests import find_promise_tests, read_promises
from tests.structure.named_test_references import ROOT, find_dangling_references, find_test_references

PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
MARKED_TESTS = find_promise_tests(ROOT)


def test_promises_are_numbered_without_gaps_and_each_once() -> None:
    numbers = re.findall(r"^### (P\d+)\b", PAGE, re.MULTILINE)
    assert len(numbers) >= 10
    assert numbers == [f"P{number}" for number in range(1, len(numbers) + 1)] == list(read_promises(ROOT))


@pytest.mark.parametrize("number", read_promises(ROOT))
def test_every_promise_has_a_test(number: str) -> None:
    assert [test.name for test in MARKED_TESTS if number in test.promises]


def test_every_promise_marker_names_promises_that_exist() -> None:
    assert {number for test in MARKED_TESTS for number in test.promises} <= set(read_promises(ROOT))


def test_no_test_of_a_promise_is_skipped() -> None:
    assert find_dangling_references([test.name for test in MARKED_TESTS]) == []


def test_every_promise_marker_is_a_decorator_of_a_test_function() -> None:
    uses = sum(
        file.read_text(encoding="utf-8").count("\n@pytest.mark.promise(")
        for file in (ROOT / "tests").rglob("*.py")
    )
    assert uses == len(MARKED_TESTS)


def test_the_page_states_what_is_not_promised() -> None:
    _, heading, rest = PAGE.partition("## Not promised")
    assert heading
    assert rest.count("\n- ") >= 3


def test_a_reference_to_a_test_that_does_not_run_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "unit"
    folder.mkdir(parents=True)
    (folder / "test_x.py").write_text("def test_a(): ...\n@pytest.mark.skip\ndef test_b(): ...\n")
    (folder / "test_y.py").write_text("pytestmark = pytest.mark.skip\ndef test_a(): ...\n")
    (folder / "z.py").write_text("def test_a(): ...\n")
    names = [f"tests/unit/{name}" for name in ("test_x.py::test_a", "test_x.py::test_b", "test_x.py::test_c")]
    names += ["tests/unit/test_y.py::test_a", "tests/unit/z.py::test_a", "tests/unit/test_w.py::test_a"]
    assert find_test_references(" and ".join(f"`{name}`" for name in names)) == names
    assert find_dangling_references(names, tmp_path) == names[1:]
