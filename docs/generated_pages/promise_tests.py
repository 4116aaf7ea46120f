"""Generates docs/reference/promise-tests.md: each promise of docs/guarantees.md with its tests.

A test belongs to a promise when it is marked `@pytest.mark.promise("P1")`. The test files are parsed, not imported.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generated_pages.markdown import code, page

OPENING = "For operators and integrators who want to see how each promise is tested. Kind: reference."

INTRODUCTION = """Each promise of [docs/guarantees.md](../guarantees.md) with the tests that fail when it does not hold. A test is
listed here when it is marked `@pytest.mark.promise` with the number of the promise. A structure test fails when a
promise has no test or a marked test is skipped."""

PROMISE = re.compile(r"^### (P\d+) (.+?)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PromiseTest:
    """A test that is marked with promises."""

    promises: tuple[str, ...]  # ("P1", "P2")
    name: str  # file::test


def read_promises(root: Path) -> dict[str, str]:
    """Returns the title of each promise by its number, in the order of the page."""
    return dict(PROMISE.findall((root / "docs" / "guarantees.md").read_text(encoding="utf-8")))


def find_promise_tests(root: Path) -> list[PromiseTest]:
    """Returns every test function with a promise marker, by file and position."""
    return [
        test
        for file in sorted((root / "tests").rglob("*.py"))
        for test in _in_file(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8"))
    ]


def promise_tests_page(root: Path) -> str:
    """Returns the whole page."""
    tests = find_promise_tests(root)
    return page(
        "The tests of each promise",
        OPENING,
        INTRODUCTION,
        *(
            f"## {number} {title}\n\n"
            + "\n".join(f"- {code(test.name)}" for test in tests if number in test.promises)
            for number, title in read_promises(root).items()
        ),
    )


def _in_file(file: str, text: str) -> Iterator[PromiseTest]:
    if "mark.promise" not in text:
        return
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            yield from (_test(f"{file}::{node.name}", one) for one in node.body if _promises(one))
        elif _promises(node):
            yield _test(file, node)


def _test(owner: str, node: ast.stmt) -> PromiseTest:
    assert isinstance(node, ast.FunctionDef)
    return PromiseTest(_promises(node), f"{owner}::{node.name}")


def _promises(node: ast.stmt) -> tuple[str, ...]:
    if not isinstance(node, ast.FunctionDef):
        return ()
    return tuple(
        str(ast.literal_eval(argument))
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.promise"
        for argument in decorator.args
    )
