"""The lock files: every requirement pinned and hashed, no word of where it comes from, and one version of each."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ["runtime", "dev"]
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)(?: ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def _lines(name: str) -> list[str]:
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _pins(name: str) -> dict[str, str]:
    found = [(match[1], match[2]) for line in _lines(name) if (match := PIN.match(line))]
    assert len(found) > 20
    return dict(found)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    lines = _lines(name)
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert PIN.match(line) or HASH.match(line), f"{name}.lock: {line}"
        if PIN.match(line):
            assert HASH.match(following), f"{name}.lock: {line} has no hash"


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_says_where_it_comes_from(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    for word in ("://", "--index", "--extra-index", "--find-links", "--trusted-host", " @ "):
        assert word not in text, f"{name}.lock names an address: {word}"
    assert not re.search(r"(^|\s)/[a-z]", text), f"{name}.lock names a folder of a machine"


def test_the_tests_run_on_what_the_service_runs_on() -> None:
    runtime, dev = _pins("runtime"), _pins("dev")
    assert {name: dev.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_holds_what_the_list_asks_for(name: str) -> None:
    pins = {_normal(pin): version for pin, version in _pins(name).items()}
    for line in (ROOT / "requirements" / f"{name}.in").read_text().splitlines():
        if asked := re.match(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?(?:==(\S+))?", line):
            assert _normal(asked[1]) in pins, f"make lock: {asked[1]} is not in {name}.lock"
            assert asked[2] in (None, pins[_normal(asked[1])]), f"make lock: {line}"


def test_the_wheel_asks_for_what_the_service_is_locked_to() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {_normal(re.split(r"[\[<>=~! ]", line)[0]) for line in project["dependencies"]}
    listed = (ROOT / "requirements" / "runtime.in").read_text().splitlines()
    locked = {_normal(re.split(r"[\[=]", line)[0]) for line in listed if line and not line.startswith("#")}
    assert asked == locked
