"""The rule for docstrings: the first line is one short sentence, 100 characters and 15 words at most.

`python -m tests.structure.docstring_rules fhir_pmp/ehr demo` prints the offenders below these folders, or of the whole
project where none is named.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.structure.naming_rules import ROOT, python_files

CODE = ("fhir_pmp", "demo", "bench")
MAX_CHARACTERS = 100
MAX_WORDS = 15


def long_first_lines(root: Path, folders: Iterable[str] = CODE) -> list[str]:
    """Docstrings whose first line is no short sentence; of `fhir_pmp` the public ones.

    Error classes are left out: the first line of their docstring is the message that a caller gets.
    """
    errors = _error_classes(root)
    return [
        f"{path.relative_to(root)}:{line}: {name}: {fault}"
        for path in python_files(root, folders)
        for name, line, is_public, text in _docstrings(ast.parse(path.read_text(encoding="utf-8")))
        if name not in errors and (is_public or not path.is_relative_to(root / "fhir_pmp"))
        for fault in [_first_line_fault(text.partition("\n")[0], is_public)]
        if fault
    ]


def _error_classes(root: Path) -> set[str]:
    classes = [
        (node.name, {ast.unparse(base) for base in node.bases})
        for path in python_files(root, CODE)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    errors, before = {"FhirPmpError"}, 0
    while len(errors) > before:
        before = len(errors)
        errors |= {name for name, bases in classes if bases & errors}
    return errors


def _first_line_fault(text: str, is_public: bool) -> str:
    words = len(text.split())
    if len(text) > MAX_CHARACTERS:
        return f"{len(text)} characters, {words} words"
    if is_public and words > MAX_WORDS:
        return f"{words} words"
    if not text.endswith((".", ":", "?", "!")):
        return "the first sentence goes on in the second line"
    return ""


def _docstrings(module: ast.Module) -> Iterator[tuple[str, int, bool, str]]:
    """Each docstring as (name, line, is it public, text)."""
    if text := ast.get_docstring(module):
        yield "module", 1, True, text
    yield from _inner_docstrings(module, owner="", is_public=True)


def _inner_docstrings(node: ast.AST, owner: str, is_public: bool) -> Iterator[tuple[str, int, bool, str]]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _inner_docstrings(child, owner, is_public)
            continue
        name = owner + child.name
        public = is_public and (not child.name.startswith("_") or child.name.endswith("__"))
        if text := ast.get_docstring(child):
            yield name, child.lineno, public, text
        yield from _inner_docstrings(child, f"{name}.", public and isinstance(child, ast.ClassDef))


def main(folders: list[str]) -> int:
    """Prints the offenders, one a line; returns 1 if there are any."""
    missing = [folder for folder in folders if not (ROOT / folder).exists()]
    if missing:
        raise SystemExit(f"not there: {', '.join(missing)}")
    offenders = long_first_lines(ROOT, folders or CODE)
    print("\n".join([*offenders, f"{len(offenders)} docstrings to shorten"]))
    return int(bool(offenders))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
