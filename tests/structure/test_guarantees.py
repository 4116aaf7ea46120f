"""Each promise of docs/guarantees.md names tests that exist; what is not promised is said."""

import re
from pathlib import Path

import pytest

from tests.structure.named_test_references import ROOT, find_dangling_references, find_test_references

PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
PROMISE = re.compile(r"^### (P\d+)\b(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)


def test_there_are_promises_and_each_is_numbered_once() -> None:
    numbers = [number for number, _ in PROMISE.findall(PAGE)]
    assert len(numbers) >= 10
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(("number", "promise"), PROMISE.findall(PAGE))
def test_each_promise_names_tests_that_exist(number: str, promise: str) -> None:
    named = find_test_references(promise)
    assert named, f"{number} names no test"
    assert find_dangling_references(named) == []


def test_what_is_not_promised_is_said() -> None:
    _, heading, rest = PAGE.partition("## Not promised")
    assert heading
    assert rest.count("\n- ") >= 3


def test_a_name_under_which_no_test_runs_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "unit"
    folder.mkdir(parents=True)
    (folder / "test_x.py").write_text("def test_a(): ...\n@pytest.mark.skip\ndef test_b(): ...\n")
    (folder / "test_y.py").write_text("pytestmark = pytest.mark.skip\ndef test_a(): ...\n")
    (folder / "z.py").write_text("def test_a(): ...\n")
    names = [f"tests/unit/{name}" for name in ("test_x.py::test_a", "test_x.py::test_b", "test_x.py::test_c")]
    names += ["tests/unit/test_y.py::test_a", "tests/unit/z.py::test_a", "tests/unit/test_w.py::test_a"]
    assert find_test_references(" and ".join(f"`{name}`" for name in names)) == names
    assert find_dangling_references(names, tmp_path) == names[1:]
