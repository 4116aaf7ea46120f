"""Rules for names and folders, each a function over the files below a root that returns its offenders."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("fhir_pmp", "demo", "bench", "docs", "tests")
MAX_MODULES = 15

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECTION = re.compile(r"^## Words we do not use$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (`[^|]*`) \| ([^|]+) \|$", re.MULTILINE)


def split_words(name: str) -> tuple[str, ...]:
    """The words of an identifier in lower case: `open_HTTPDoor` has open, http and door."""
    return tuple(word.lower() for word in _WORD.findall(name))


def read_forbidden(glossary: str) -> dict[tuple[str, ...], str]:
    """Forbidden words and phrases of the glossary's last table, each with what to write instead."""
    section = _SECTION.search(glossary)
    rows = _ROW.findall(section[1]) if section else []
    return {
        split_words(phrase): instead for cell, instead in rows for phrase in re.findall(r"`([^`]+)`", cell)
    }


def forbidden_in_names(
    names: Iterable[tuple[str, str]], forbidden: Mapping[tuple[str, ...], str], allowed: Mapping[str, str]
) -> list[str]:
    """Offenders among (place, name) pairs; `allowed` maps an identifier to the reason why it stays."""
    longest = max(map(len, forbidden), default=0)
    return [
        f"{place}: {name}: not `{' '.join(phrase)}`, but {forbidden[phrase]}"
        for place, name in names
        if name not in allowed
        for phrase in _phrases(split_words(name), longest)
        if phrase in forbidden
    ]


def _phrases(words: tuple[str, ...], longest: int) -> set[tuple[str, ...]]:
    starts = range(len(words))
    return {words[at : at + length] for at in starts for length in range(1, longest + 1)}


def defined_names(root: Path, folders: Iterable[str] = CODE) -> Iterator[tuple[str, str]]:
    """Every name that the code defines, as (file:line, name): packages, modules and whatever `ast` says is bound."""
    packages = set()
    for path in python_files(root, folders):
        where = path.relative_to(root)
        yield str(where), path.stem
        packages |= {parent for parent in where.parents if parent.name}
        for line, name in _bound_names(ast.parse(path.read_text(encoding="utf-8"))):
            yield f"{where}:{line}", name
    for package in sorted(packages):
        yield str(package), package.name


def _bound_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case (
                ast.arg(arg=name)
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.MatchMapping(rest=str(name))
            ):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def repeated_module_names(root: Path, allowed: Mapping[tuple[str, str], str]) -> list[str]:
    """Module names used twice in one family: below one top-level package of `fhir_pmp`, `__init__` aside."""
    families: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in _modules(root, "fhir_pmp"):
        where = path.relative_to(root / "fhir_pmp")
        family = where.parts[0] if len(where.parts) > 1 else ""
        families[family, path.stem].append(str(path.relative_to(root)))
    return [
        f"{name} of fhir_pmp.{family}: {', '.join(paths)}"
        for (family, name), paths in sorted(families.items())
        if len(paths) > 1 and (family, name) not in allowed
    ]


def full_folders(
    root: Path, allowed: Mapping[str, str], folders: Iterable[str] = ("fhir_pmp", "demo", "bench", "tests")
) -> list[str]:
    """Folders that hold more than 15 modules, `__init__` aside."""
    counts: dict[str, int] = defaultdict(int)
    for folder in folders:
        for path in _modules(root, folder):
            counts[str(path.parent.relative_to(root))] += 1
    return [
        f"{folder} holds {count} modules"
        for folder, count in sorted(counts.items())
        if count > MAX_MODULES and folder not in allowed
    ]


def _modules(root: Path, folder: str) -> Iterator[Path]:
    return (path for path in python_files(root, (folder,)) if path.stem != "__init__")


def python_files(root: Path, folders: Iterable[str]) -> list[Path]:
    """The Python files below these folders of a root, sorted; a folder may also be one file."""
    given = [root / folder for folder in folders]
    return sorted({path for one in given for path in ([one] if one.is_file() else one.rglob("*.py"))})
