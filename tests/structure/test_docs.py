"""The documentation is true where a machine can tell: generated pages, links, and every command, setting and file it names."""

import ast
import importlib
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import click
import pytest

from docs.generate import list_outdated_pages
from fhir_pmp.cli.main import commands
from fhir_pmp.ehr.config.work_item_kinds import DELIVERY_KINDS, EDIT_ALERT_KINDS
from fhir_pmp.pathway.episode_states import TaskStatus
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.settings import NOT_SETTINGS, SETTINGS
from fhir_pmp.store.delivery.deliveries import DeliveryState
from tests.structure.named_test_references import ROOT, find_dangling_references, find_test_references

DOCS = ROOT / "docs"
RESEARCH_PAGES = set((DOCS / "research").glob("*.md"))
"""What was found out before anything was built: it speaks of plans too."""
PAGES = sorted(DOCS.rglob("*.md"))
CHECKED_PAGES = [*PAGES, *sorted(ROOT.glob("*.md")), *sorted((ROOT / "mappings").rglob("*.md"))]
CURRENT_PAGES = [page for page in CHECKED_PAGES if page not in RESEARCH_PAGES]
PAGE_KINDS = re.compile(r"\b(tutorial|how-to|reference|explanation|runbook|recipe)\b", re.IGNORECASE)
LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
LOCAL_PATH = re.compile(r"(^|[\s`'\"(=:])/(work|tmp|root|home|Users)/")


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_the_generated_pages_are_current() -> None:
    assert list_outdated_pages() == [], "run `make docs`"


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent.name != "decisions"], ids=_id)
def test_a_page_opens_with_who_it_is_for_and_which_kind_it_is(page: Path) -> None:
    opening = _text(page).split("\n\n")[1].replace("\n", " ")
    assert opening.lstrip("*").startswith("For "), opening
    assert PAGE_KINDS.search(opening), opening


@pytest.mark.parametrize("page", CHECKED_PAGES, ids=_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = []
    for target in LINK.findall(_without_code(_text(page))):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            dead.append(target)
    assert dead == []


def _anchors(page: Path) -> set[str]:
    """The headings' anchors, as the places that show Markdown make them."""
    headings = re.findall(r"^#{1,6} (.+)$", _without_code(_text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_index_names_every_page() -> None:
    index = DOCS / "README.md"
    named = {(DOCS / target).resolve() for target in LINK.findall(_text(index))}
    covered = {page for page in PAGES if page.parent.name == "decisions"}  # they have an index of their own
    assert [_id(page) for page in PAGES if page not in named | covered | {index}] == []


def test_the_index_of_decisions_names_every_record() -> None:
    folder = DOCS / "decisions"
    records = {record.name for record in folder.glob("[0-9]*.md")}
    assert set(LINK.findall(_text(folder / "README.md"))) == records
    numbers = sorted(int(name[:4]) for name in records)
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("record", sorted((DOCS / "decisions").glob("[0-9]*.md")), ids=_id)
def test_a_decision_says_what_was_chosen_refused_and_what_it_costs(record: Path) -> None:
    assert re.findall(r"^\*\*(\w+)\.\*\*", _text(record), re.MULTILINE) == ["Chosen", "Refused", "Costs"]


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=_id)
def test_every_command_that_is_named_exists(page: Path) -> None:
    wrong = []
    for line in re.findall(r"fhir-pmp((?: +[a-z][a-z-]*)+)([^`;|\n]*)", _text(page)):
        command, options = _command(line[0].split()), set(re.findall(r"--[a-z][a-z-]+", line[1]))
        known = (
            {"--help", "--version"} | {one for p in command.params for one in p.opts} if command else set()
        )
        if command is None or (not isinstance(command, click.Group) and not options <= known):
            wrong.append("fhir-pmp" + "".join(line))
    assert wrong == []


def _command(words: list[str]) -> click.Command | None:
    """The command that begins with these words; words behind it are its arguments, or prose."""
    found: click.Command = commands
    for word in words:
        if not isinstance(found, click.Group):
            break
        inner = found.commands.get(word)
        if inner is None:
            return None
        found = inner
    return found


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=_id)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    makefile = _text(ROOT / "Makefile")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|^|\$ )make ([a-z][a-z0-9-]*)", _text(page), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=_id)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    known = {s.name for s in SETTINGS} | {s.name + "_FILE" for s in SETTINGS if s.secret} | set(NOT_SETTINGS)
    assert set(re.findall(r"\bFHIR_PMP_[A-Z_]*[A-Z]", _text(page))) <= known


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=_id)
def test_every_file_of_ours_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`((?:fhir_pmp|mappings|tests|demo|bench|docs)/[A-Za-z0-9_./-]*)`", _text(page))
    # NAME stands for what the reader chooses.
    assert [one for one in dict.fromkeys(named) if "NAME" not in one and not (ROOT / one).exists()] == []
    assert find_dangling_references(find_test_references(_text(page))) == []


@pytest.mark.parametrize("page", CHECKED_PAGES, ids=_id)
def test_no_path_of_somebodys_machine_is_told(page: Path) -> None:
    assert LOCAL_PATH.findall(_text(page)) == []


@pytest.mark.parametrize(
    ("picture", "states"),
    [("episode-states", EpisodeState), ("task-states", TaskStatus), ("delivery-states", DeliveryState)],
)
def test_the_drawn_states_are_those_there_are(picture: str, states: type[StrEnum]) -> None:
    drawn = re.findall(r'font-weight="600"[^>]*>([^<]+)<', _text(DOCS / "images" / f"{picture}.svg"))
    assert sorted(drawn) == sorted(state.value.replace("_", " ") for state in states)


def test_every_kind_of_work_item_is_explained() -> None:
    listed = re.findall(r"^\| `([a-z_-]+)` \|", _text(DOCS / "reference" / "work-items.md"), re.MULTILINE)
    assert sorted(listed) == sorted(set(_kinds_of_work_items()))


def _kinds_of_work_items() -> Iterator[str]:
    """Returns the kinds in calls that open a work item: a text, or a constant that the module knows."""
    yield from (*DELIVERY_KINDS, *EDIT_ALERT_KINDS)
    for file in (ROOT / "fhir_pmp").rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(_text(file))) if isinstance(node, ast.Call)]
        kinds = [kind for kind in map(_kind_argument, calls) if kind is not None]
        known = _module_names(file) if any(isinstance(kind, ast.Name) for kind in kinds) else {}
        for kind in kinds:
            if isinstance(kind, ast.Constant):
                yield str(kind.value)
            elif isinstance(kind, ast.Name) and isinstance(known.get(kind.id), str):
                yield str(known[kind.id])


_KIND_POSITION = {"open": 0, "ask_clinician": 1, "_ask_about_plan": 1}
"""The position of the argument `kind` in each function that opens a work item."""


def _kind_argument(call: ast.Call) -> ast.expr | None:
    name = ast.unparse(call.func)
    function = name.rpartition(".")[2]
    if function not in _KIND_POSITION or (function == "open" and not name.endswith("work_items.open")):
        return None
    named = [keyword.value for keyword in call.keywords if keyword.arg == "kind"]
    return (named or call.args[_KIND_POSITION[function] :])[0]


def _module_names(file: Path) -> dict[str, object]:
    return vars(importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts)))


def test_an_unknown_command_and_a_dead_link_are_seen() -> None:
    assert _command(["deliveries", "shred"]) is None
    assert _command(["deliveries", "show", "17"]) is not None
    assert LINK.findall("[a](b.md#c) \\[x](y)") == ["b.md#c"]
