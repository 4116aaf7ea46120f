"""What a machine lacks is named with how to get it; without CI it is counted, under CI=true it fails the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backing_services.chromium import find_chromium
from tests.backing_services.dependency_missing import DependencyMissing
from tests.backing_services.java import build_maven_project, find_java

ROOT = Path(__file__).parents[3]


def _program(folder: Path, name: str, *lines: str) -> None:
    path = folder / name
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)


@pytest.fixture
def machine_without_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on its PATH but what the test puts in this folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def test_java_that_is_not_there_is_named(machine_without_programs: Path) -> None:
    with pytest.raises(DependencyMissing, match="Java 17 or newer is missing. On Debian: apt-get install"):
        find_java()


@pytest.mark.parametrize(
    ("reported", "named"), [("1.8", "is 8"), ("11", "is 11"), ("", "of an unknown version")]
)
def test_java_that_is_too_old_is_named_with_its_version(
    machine_without_programs: Path, reported: str, named: str
) -> None:
    _program(machine_without_programs, "java", f"echo '    java.specification.version = {reported}' >&2")
    with pytest.raises(DependencyMissing, match=named):
        find_java()


@pytest.mark.parametrize("reported", ["17", "21", "25"])
def test_java_that_is_new_enough_is_found(machine_without_programs: Path, reported: str) -> None:
    _program(machine_without_programs, "java", f"echo '    java.specification.version = {reported}' >&2")
    assert find_java() == str(machine_without_programs / "java")


def test_a_browser_that_is_not_there_is_named(machine_without_programs: Path) -> None:
    with pytest.raises(DependencyMissing, match="Chromium is missing"):
        find_chromium()


def test_maven_that_is_not_there_is_named(machine_without_programs: Path, tmp_path: Path) -> None:
    (tmp_path / "pom.xml").write_text("<project/>")
    with pytest.raises(DependencyMissing, match="Maven is missing"):
        build_maven_project(tmp_path)


def test_a_project_is_built_once_and_again_only_when_its_sources_change(
    machine_without_programs: Path, tmp_path: Path
) -> None:
    (tmp_path / "pom.xml").write_text("<project/>")
    _program(machine_without_programs, "java", "echo '    java.specification.version = 17' >&2")
    _program(machine_without_programs, "mvn", "echo built >> target/runs")
    built = tmp_path / "target" / "runs"
    build_maven_project(tmp_path)
    build_maven_project(tmp_path)
    assert built.read_text().split() == ["built"]
    (tmp_path / "pom.xml").write_text("<project></project>")
    build_maven_project(tmp_path)
    assert built.read_text().split() == ["built", "built"]


def test_a_build_that_fails_says_so_each_time(machine_without_programs: Path, tmp_path: Path) -> None:
    (tmp_path / "pom.xml").write_text("<project/>")
    _program(machine_without_programs, "java", "echo '    java.specification.version = 17' >&2")
    _program(machine_without_programs, "mvn", "echo '[ERROR] no such jar'", "exit 1")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no such jar"):
            build_maven_project(tmp_path)


def _run_a_test_that_needs_a_browser(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    case = folder / "test_page.py"
    case.write_text("def test_page(chromium):\n    pass\n\ndef test_other():\n    pass\n")
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
    ]
    return subprocess.run(
        [*words, "--rootdir", str(folder), str(case)],
        cwd=ROOT,
        env={"PATH": "/nowhere", "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_ci_a_missing_part_is_counted_by_name(tmp_path: Path) -> None:
    done = _run_a_test_that_needs_a_browser(tmp_path, ci="")
    assert done.returncode == 0
    assert "1 not run: part missing: Chromium is missing." in done.stdout


def test_in_ci_a_missing_part_is_a_failure(tmp_path: Path) -> None:
    done = _run_a_test_that_needs_a_browser(tmp_path, ci="true")
    assert done.returncode == 1
    assert "1 passed, 1 error" in done.stdout
    assert "part missing: Chromium is missing." in done.stdout


def test_in_ci_a_test_that_is_skipped_fails_the_run(tmp_path: Path) -> None:
    case = tmp_path / "test_skipped.py"
    case.write_text(
        "import pytest\n\ndef test_skipped():\n    pytest.skip('later')\n\ndef test_other():\n    pass\n"
    )
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
    ]
    for ci, status in (("true", 1), ("", 0)):
        done = subprocess.run(
            [*words, "--rootdir", str(tmp_path), str(case)],
            cwd=ROOT,
            env=os.environ | {"CI": ci},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status
        assert "1 not run: later" in done.stdout
