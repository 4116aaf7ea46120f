"""The lock files: every requirement pinned and hashed, no word of where it comes from, and one version of each."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.structure.setup_files import install_lock, run_clean

ROOT = Path(__file__).parents[2]
LOCKS = ["runtime", "build", "dev"]
PYTHONS = ["3.11.0", "3.12.0", "3.13.0", "3.14.0"]
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)(?: ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def _lines(name: str) -> list[str]:
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _pins(name: str) -> dict[str, str]:
    found = [(match[1], match[2]) for line in _lines(name) if (match := PIN.match(line))]
    assert len(found) > 4
    return dict(found)


def _normalised_name(name: str) -> str:
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


@pytest.mark.parametrize("name", ["runtime", "build"])
def test_the_tests_run_on_what_the_service_is_built_from_and_runs_on(name: str) -> None:
    pins, dev = _pins(name), _pins("dev")
    assert {pin: dev.get(pin) for pin in pins} == pins


def _asked(name: str) -> list[Requirement]:
    """The lines of a list, and of the lists that it includes."""
    found = []
    for line in (ROOT / "requirements" / f"{name}.in").read_text().splitlines():
        if line.startswith("-r "):
            found += _asked(line.removeprefix("-r ").removesuffix(".in"))
        elif line and not line.startswith(("#", "-c ")):
            found.append(Requirement(line))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_holds_what_the_list_asks_for(name: str) -> None:
    pins = {_normalised_name(pin): version for pin, version in _pins(name).items()}
    for asked in _asked(name):
        assert _normalised_name(asked.name) in pins, f"make lock: {asked.name} is not in {name}.lock"
        assert str(asked.specifier) == f"=={pins[_normalised_name(asked.name)]}", f"make lock: {asked}"


def _installed() -> dict[str, Distribution]:
    return {_normalised_name(found.metadata["Name"]): found for found in distributions()}


def _requirements(asked: list[Requirement], environment: dict[str, str]) -> Iterator[tuple[str, Requirement]]:
    """Each requirement below the asked ones with the distribution that has it, extras included."""
    installed = _installed()
    open_ = [(_normalised_name(line.name), extra) for line in asked for extra in ("", *line.extras)]
    seen = set(open_)
    while open_:
        name, extra = open_.pop()
        for text in installed[name].requires or []:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate(environment | {"extra": extra}):
                yield name, wanted
                for pair in ((_normalised_name(wanted.name), extra) for extra in ("", *wanted.extras)):
                    if pair not in seen and pair[0] in installed:
                        seen.add(pair)
                        open_.append(pair)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", LOCKS)
def test_each_lock_is_closed_under_its_own_requirements(name: str, python: str) -> None:
    """`pip install --no-deps` installs only what the lock names, so the lock must name all that its packages require."""
    environment = {key: str(value) for key, value in default_environment().items()} | {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "implementation_version": python,
    }
    pins = {_normalised_name(pin): version for pin, version in _pins(name).items()}
    installed = _installed()
    for pin, version in pins.items():
        assert pin in installed and installed[pin].version == version, f"make setup: {pin} is not {version}"
        needs = installed[pin].metadata["Requires-Python"]
        assert SpecifierSet(needs or "").contains(python), f"{pin} {version} needs Python {needs}"
    asked = [*_asked(name), *(Requirement(pin) for pin in pins)]
    for holder, wanted in _requirements(asked, environment):
        locked = pins.get(_normalised_name(wanted.name))
        assert locked is not None, f"{name}.lock lacks {wanted.name}: {holder} requires {wanted}"
        assert wanted.specifier.contains(locked, prereleases=True), (
            f"{holder} requires {wanted}, not {locked}"
        )


def test_the_requirements_of_an_extra_are_seen() -> None:
    """`psycopg[binary]` requires psycopg-binary; plain `psycopg` does not."""
    environment = {key: str(value) for key, value in default_environment().items()}
    for line, seen in (("psycopg[binary]", True), ("psycopg", False)):
        names = {wanted.name for _, wanted in _requirements([Requirement(line)], environment)}
        assert ("psycopg-binary" in names) is seen


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "module"), [("runtime", "flask"), ("build", "hatchling.build"), ("dev", "pytest_cov.plugin")]
)
def test_each_lock_installs_into_an_empty_environment(name: str, module: str, tmp_path: Path) -> None:
    run_clean(sys.executable, "-m", "venv", "empty", cwd=tmp_path)
    python = tmp_path / "empty" / "bin" / "python"
    install_lock(python, name, tmp_path)
    run_clean(python, "-m", "pip", "check", cwd=tmp_path)
    run_clean(python, "-c", f"import {module}", cwd=tmp_path)
    held = run_clean(python, "-m", "pip", "list", "--format", "freeze", cwd=tmp_path)
    found = {
        _normalised_name(pin): version for pin, _, version in (line.partition("==") for line in held.split())
    }
    pins = {_normalised_name(pin): version for pin, version in _pins(name).items()}
    assert {pin: found.get(pin) for pin in pins} == pins
    assert set(found) - set(pins) <= {"pip", "setuptools"}  # venv itself brings these


def test_the_wheel_asks_for_what_the_service_is_locked_to() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = {_normalised_name(Requirement(line).name) for line in project["project"]["dependencies"]}
    assert asked == {_normalised_name(line.name) for line in _asked("runtime")}
    assert project["build-system"]["requires"] == [str(line) for line in _asked("build")]
