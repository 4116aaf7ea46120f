"""The demonstration meets the service at its doors only: it imports nothing of it."""

import ast
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "demo"
FILES = sorted(path for path in DEMO.rglob("*.py") if "data" not in path.relative_to(DEMO).parts)


def imported_names(source: str) -> set[str]:
    """The first part of every module that the source imports, in functions too, and of those it names to import_module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {
            "import_module",
            "__import__",
        }:
            named = (argument.value for argument in node.args if isinstance(argument, ast.Constant))
            names.update(str(name).partition(".")[0] for name in named)
    return names


def test_the_demonstration_has_files_to_look_at() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEMO)))
def test_a_file_of_the_demonstration_imports_nothing_of_the_service(path: Path) -> None:
    assert "fhir_pmp" not in imported_names(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "import fhir_pmp",
        "import os, fhir_pmp.errors as errors",
        "from fhir_pmp.pathway import facts",
        "def late():\n    from fhir_pmp import errors",
        "import importlib\nimportlib.import_module('fhir_pmp.cli')",
        "__import__('fhir_pmp')",
    ],
)
def test_an_import_of_the_service_is_seen_however_it_is_written(source: str) -> None:
    assert "fhir_pmp" in imported_names(source)
