"""Tests named in a text as `file::test`: read from the files themselves, without running them."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEST_REFERENCE = re.compile(r"tests/[A-Za-z0-9_/]+\.py::[A-Za-z0-9_:]+")
_SKIP_MARKS = frozenset({"skip", "skipif", "xfail"})


def find_test_references(text: str) -> list[str]:
    """Every test that the text names, each once, in order."""
    return list(dict.fromkeys(TEST_REFERENCE.findall(text)))


def find_dangling_references(names: list[str], root: Path = ROOT) -> list[str]:
    """Those of the names under which no test runs: no such file or function, not collected, or marked to be left out."""
    return [
        name for name in names if name.partition("::")[2] not in _tests_of(root / name.partition("::")[0])
    ]


@cache
def _tests_of(file: Path) -> frozenset[str]:
    # pytest collects `test_*.py` alone.
    if not file.is_file() or not file.name.startswith("test_"):
        return frozenset()
    module = ast.parse(file.read_text(encoding="utf-8"))
    if any(_is_skipped(node) for node in module.body if _is_pytestmark(node)):
        return frozenset()
    found = set(_functions(module.body))
    for kind in module.body:
        if isinstance(kind, ast.ClassDef) and kind.name.startswith("Test"):
            found |= {f"{kind.name}::{name}" for name in _functions(kind.body)}
    return frozenset(found)


def _functions(body: list[ast.stmt]) -> list[str]:
    return [
        node.name
        for node in body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not any(_is_skipped(decorator) for decorator in node.decorator_list)
    ]


def _is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"


def _is_skipped(node: ast.AST) -> bool:
    return any(isinstance(one, ast.Attribute) and one.attr in _SKIP_MARKS for one in ast.walk(node))
