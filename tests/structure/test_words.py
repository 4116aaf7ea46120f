"""Names are plain words and standard terms: no forbidden word of GLOSSARY.md, no module name twice, no full folder."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fhir_pmp.cli.main import commands
from fhir_pmp.settings import SETTINGS
from fhir_pmp.store.tables import metadata
from fhir_pmp.web.monitoring.metrics import METRICS
from tests.structure.naming_rules import (
    ROOT,
    defined_names,
    forbidden_in_names,
    full_folders,
    read_forbidden,
    repeated_module_names,
    split_words,
)

GLOSSARY = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
FORBIDDEN = read_forbidden(GLOSSARY)
DEFINED = list(defined_names(ROOT))

ALLOWED_NAMES = {
    "press_ctrl_c": "the key of a keyboard",
}
"""Identifiers that hold a forbidden word and stay, each with its reason."""
ALLOWED_MODULES = {
    ("web", "blueprint"): "parallel packages: each API surface has its Flask blueprint",
    ("web", "routes"): "parallel packages: each API surface imports its views",
    ("store", "inbox"): "parallel packages: `tables` declares what the repository reads and writes",
    ("store", "letters"): "parallel packages: `tables` declares what the repository reads and writes",
    ("store", "people"): "parallel packages: `tables` declares what the repository reads and writes",
    ("store", "responses"): "parallel packages: `tables` declares what the repository reads and writes",
}
"""Module names used twice in one family, each with its reason."""
ALLOWED_FOLDERS = {
    "fhir_pmp/web/pages": "one module for each page",
    "fhir_pmp/web/programme_api": "one module for each operation",
    "tests/integration/ehr": "its modules share one harness; to be split by what they test, as `fhir_pmp/ehr` is",
    "tests/integration/web/pages": "one module for each page",
    "tests/structure": "one module for each promise of the program about itself",
}
"""Folders with more than 15 modules, each with its reason."""


def _program_names() -> Iterator[tuple[str, str]]:
    """Names that live outside Python identifiers, as (place, name)."""
    for table in metadata.tables.values():
        yield "table", table.name
        yield from ((f"column of {table.name}", column.name) for column in table.columns)
        named = [one.name for one in table.constraints] + [one.name for one in table.indexes]
        yield from ((f"constraint of {table.name}", str(name or "")) for name in named)
    yield from (("setting", setting.name) for setting in SETTINGS)
    for metric in METRICS:
        yield from (("metric", name) for name in (metric.name, *metric.labels))
    yield from _command_names(commands)


def _command_names(command: click.Command) -> Iterator[tuple[str, str]]:
    yield "command", command.name or ""
    for parameter in command.params:
        yield from ((f"option of {command.name}", name) for name in (*parameter.opts, parameter.name or ""))
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _command_names(inner)


def _report(offenders: list[str]) -> str:
    return "\n".join(["see `Words we do not use` in GLOSSARY.md:", *offenders])


def test_no_name_in_the_code_has_a_forbidden_word() -> None:
    offenders = forbidden_in_names(
        # The names of tests are sentences.
        [one for one in DEFINED if not one[1].startswith("test_")],
        FORBIDDEN,
        ALLOWED_NAMES,
    )
    assert offenders == [], _report(offenders)


def test_no_table_setting_metric_or_command_has_a_forbidden_word() -> None:
    names = list(_program_names())
    kinds = {place.partition(" ")[0] for place, _ in names}
    assert kinds == {"table", "column", "constraint", "setting", "metric", "command", "option"}
    offenders = forbidden_in_names(names, FORBIDDEN, ALLOWED_NAMES)
    assert offenders == [], _report(offenders)


def test_module_names_are_unique_in_their_family() -> None:
    offenders = repeated_module_names(ROOT, ALLOWED_MODULES)
    assert offenders == [], "\n".join(offenders)


def test_folders_hold_at_most_15_modules() -> None:
    offenders = full_folders(ROOT, ALLOWED_FOLDERS)
    assert offenders == [], "\n".join(offenders)


def test_no_exception_is_left_over() -> None:
    names = {name for _, name in (*DEFINED, *_program_names())}
    assert set(ALLOWED_NAMES) <= names
    repeated = repeated_module_names(ROOT, {})
    assert len(repeated) == len(ALLOWED_MODULES) + len(repeated_module_names(ROOT, ALLOWED_MODULES))
    assert len(full_folders(ROOT, {})) == len(ALLOWED_FOLDERS) + len(full_folders(ROOT, ALLOWED_FOLDERS))


def test_the_glossary_defines_each_word_once_and_shortly() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in GLOSSARY.partition("## Names in the code")[0].splitlines()
        if line.startswith("| ")
    ]
    words = [word for row in rows if row[0] != "word" for word in row[0].split(", ")]
    assert len(words) > 100
    assert sorted(words) == sorted(set(words))
    assert [row[0] for row in rows if len(row[1].split()) > 25] == []


def test_no_word_is_both_defined_and_forbidden() -> None:
    rows = GLOSSARY.partition("## Names in the code")[0].splitlines()
    words = [("glossary", line.split("|")[1].strip()) for line in rows if line.startswith("| ")]
    assert forbidden_in_names(words, FORBIDDEN, {}) == []


def test_each_forbidden_word_says_what_to_write_instead() -> None:
    assert len(FORBIDDEN) > 50
    assert {("house",), ("door",), ("ledger",), ("let", "go")} <= FORBIDDEN.keys()
    assert all(FORBIDDEN.values())


# Each rule can fail: tried on made-up folders.


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("open_house", ("open", "house")),
        ("HTTPDoor2", ("http", "door", "2")),
        ("_DOOR_OF", ("door", "of")),
        ("--let-go", ("let", "go")),
        ("background", ("background",)),
    ],
)
def test_a_name_is_split_into_its_words(name: str, words: tuple[str, ...]) -> None:
    assert split_words(name) == words


def test_a_glossary_without_the_table_forbids_nothing() -> None:
    assert read_forbidden("# Glossary\n\n| `house` | runtime |\n") == {}
    table = (
        "## Words we do not use\n\n| not | but |\n|---|---|\n| `house`, `on its way` | runtime |\n\n## More\n"
    )
    assert read_forbidden(table) == {("house",): "runtime", ("on", "its", "way"): "runtime"}


@pytest.mark.parametrize(
    "code",
    [
        "class House: ...",
        "def f(house): ...",
        "def f(*, in_house=1): ...",
        "def open_house(): ...",
        "async def house(): ...",
        "HOUSE = 1",
        "house: int",
        "class A:\n    house: int",
        "class A:\n    def __init__(self):\n        self.house = 1",
        "for house in (): ...",
        "with open('x') as house: ...",
        "import os as house",
        "try: ...\nexcept OSError as house: ...",
        "match 1:\n    case house: ...",
        "match []:\n    case [*house]: ...",
        "match {}:\n    case {**house}: ...",
        "if house := 1: ...",
        "f = lambda house: 1",
        "house_1, b = 1, 2",
    ],
)
def test_a_forbidden_word_is_seen_wherever_a_name_is_defined(code: str, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "plain.py").write_text(code + "\n")
    [offender] = forbidden_in_names(defined_names(tmp_path), {("house",): "runtime"}, {})
    assert offender.startswith("demo/plain.py:")
    assert offender.endswith(": not `house`, but runtime")


@pytest.mark.parametrize(
    "code", ["'house'", "# house", '"""In the house."""', "other.house()", "f(house=1)", "import house"]
)
def test_text_comments_and_names_of_others_are_not_looked_at(code: str, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "plain.py").write_text(code + "\n")
    assert forbidden_in_names(defined_names(tmp_path), {("house",): "runtime"}, {}) == []


def test_a_forbidden_word_is_seen_in_a_module_and_in_a_package(tmp_path: Path) -> None:
    (tmp_path / "demo" / "open_house").mkdir(parents=True)
    (tmp_path / "demo" / "open_house" / "house.py").touch()
    offenders = forbidden_in_names(defined_names(tmp_path), {("house",): "runtime"}, {})
    assert [one.partition(":")[0] for one in offenders] == ["demo/open_house/house.py", "demo/open_house"]


def test_an_allowed_name_stays_and_a_phrase_is_words_in_a_row() -> None:
    forbidden: dict[tuple[str, ...], str] = {("let", "go"): "release"}
    names = [("a", "let_go_of"), ("b", "let_it_go"), ("c", "_LetGo")]
    assert [one[0] for one in forbidden_in_names(names, forbidden, {})] == ["a", "c"]
    assert forbidden_in_names(names[:1], forbidden, {"let_go_of": "said by FHIR"}) == []


def test_a_module_name_twice_in_one_family_is_seen(tmp_path: Path) -> None:
    for path in (
        "ehr/push/worker.py",
        "ehr/pull/worker.py",
        "store/worker.py",
        "worker.py",
        "ehr/__init__.py",
    ):
        (tmp_path / "fhir_pmp" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fhir_pmp" / path).touch()
    offenders = repeated_module_names(tmp_path, {})
    assert offenders == ["worker of fhir_pmp.ehr: fhir_pmp/ehr/pull/worker.py, fhir_pmp/ehr/push/worker.py"]
    assert repeated_module_names(tmp_path, {("ehr", "worker"): "parallel"}) == []


def test_a_folder_of_16_modules_is_seen(tmp_path: Path) -> None:
    (tmp_path / "fhir_pmp").mkdir()
    for name in ("__init__", *(f"module_{number}" for number in range(15))):
        (tmp_path / "fhir_pmp" / f"{name}.py").touch()
    assert full_folders(tmp_path, {}) == []
    (tmp_path / "fhir_pmp" / "one_more.py").touch()
    assert full_folders(tmp_path, {}) == ["fhir_pmp holds 16 modules"]
    assert full_folders(tmp_path, {"fhir_pmp": "many"}) == []
