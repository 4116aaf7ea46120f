"""What a newcomer types: `make` lists every command, the container files are right, the example environment holds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fhir_pmp.settings import SETTINGS, Settings, show_settings

ROOT = Path(__file__).parents[2]
PLAIN_IMAGE_NAME = re.compile(r"^[a-z0-9-]+(/[a-z0-9-]+)?(:[A-Za-z0-9._-]+)?$")


def _example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def test_make_alone_lists_every_command_with_its_purpose() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony is not None
    commands = set(phony[1].replace("\\", " ").split())
    make_output = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"^  make ([a-z0-9-]+) +(\S.*)$", make_output, re.MULTILINE))
    assert set(listed) == commands
    assert {"setup", "test", "check", "demo", "demo-clean", "bench", "hapi", "lock"} <= commands


def test_each_kind_of_test_has_its_command_and_its_folder() -> None:
    makefile = (ROOT / "Makefile").read_text()
    folders = set(re.findall(r"pytest tests/([a-z0-9_]+)", makefile))
    assert folders == {"structure", "spec", "unit", "integration", "contract", "faults", "end_to_end"}
    assert [name for name in sorted(folders) if not (ROOT / "tests" / name).is_dir()] == []


def _check_compose(path: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", path],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_compose_file_passes_its_schema() -> None:
    done = _check_compose(ROOT / "docker-compose.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_misspelt_word_in_a_compose_file_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text((ROOT / "docker-compose.yml").read_text().replace("depends_on:", "depend_on:"))
    assert _check_compose(wrong).returncode != 0


def test_images_are_plain_names() -> None:
    texts = [
        (ROOT / name).read_text() for name in ("docker-compose.yml", "Dockerfile", "tests/hapi/Dockerfile")
    ]
    images = re.findall(r"^(?:FROM| +image:) (\S+)", "\n".join(texts), re.MULTILINE)
    assert len(images) >= 6
    assert [image for image in images if not PLAIN_IMAGE_NAME.match(image)] == []


def test_the_compose_file_sets_only_settings_there_are() -> None:
    used = set(re.findall(r"\b(FHIR_PMP_[A-Z_]+):", (ROOT / "docker-compose.yml").read_text()))
    known = {setting.name for setting in SETTINGS} | {s.name + "_FILE" for s in SETTINGS if s.secret}
    required = {setting.field for setting in SETTINGS if setting.default is None}
    assert used <= known
    assert {name.removeprefix("FHIR_PMP_").removesuffix("_FILE").lower() for name in used} >= required


def test_the_example_environment_names_every_setting_with_its_default() -> None:
    example = _example()
    assert {name.removesuffix("_FILE") for name in example} == {setting.name for setting in SETTINGS}
    for setting in SETTINGS:
        if setting.default is not None:
            assert example[setting.name] == setting.default


def test_the_program_starts_with_the_example_environment(tmp_path: Path) -> None:
    example = _example()
    for name in [name for name in example if name.endswith("_FILE")]:
        secret = tmp_path / Path(example[name]).name
        secret.write_text("0123456789abcdef" * 4)
        example[name] = str(secret)
    assert show_settings(example)[1] == []
    assert Settings.from_environment(example).clinic_zone.key == "Australia/Sydney"


@pytest.mark.parametrize(
    ("make_output", "make_ends", "ci_ends", "last_line"),
    [
        ("=== 3 passed in 1.20s ===", 0, 0, "3 passed in 1.20s"),
        ("=== 1 failed, 3 passed in 1.20s ===", 1, 1, "1 failed, 3 passed in 1.20s"),
        ("=== 1 failed, 3 passed in 1.20s ===", 0, 1, "1 failed, 3 passed in 1.20s"),
        ("=== 3 passed, 1 skipped in 1.20s ===", 0, 1, "3 passed, 1 skipped in 1.20s"),
        ("=== 3 passed, 2 errors in 400.20s (0:06:40) ===", 0, 1, "3 passed, 2 errors in 400.20s (0:06:40)"),
        ("=== 4 deselected in 0.10s ===", 0, 1, "4 deselected in 0.10s"),
        ("=== no tests ran in 0.10s ===", 0, 1, "No test ran."),
        ("make: *** No rule to make target", 2, 1, "No test ran."),
    ],
)
def test_ci_passes_only_when_tests_ran_and_none_was_left_out(
    tmp_path: Path, make_output: str, make_ends: int, ci_ends: int, last_line: str
) -> None:
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\n[ "$CI" = true ] && echo "{make_output}"\nexit {make_ends}\n')
    make.chmod(0o755)
    done = subprocess.run(
        [ROOT / ".ci" / "run"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ci_ends
    assert done.stdout.splitlines()[-1] == last_line
