"""The commands as an operator runs them: processes of their own, one line for what is wrong, nobody's name in a log."""

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.people import Person, cohort, write_wide_csv

COMMAND = Path(sys.executable).parent / "fhir-pmp"
SECRET = "a secret that is long enough to be one"


class CommandRunner:
    """Runs commands against one SQLite database, with the most talkative log, and keeps every word they print."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = ""
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FHIR_PMP_")},
            "FHIR_PMP_DATABASE_URL": f"sqlite:///{folder / 'clinic.sqlite'}",
            "FHIR_PMP_CANONICAL_BASE": "https://example.org/pmp",
            "FHIR_PMP_ID_SECRET": SECRET,
            "FHIR_PMP_SECRET_KEY": SECRET,
            "FHIR_PMP_CLINIC_ZONE": "Australia/Sydney",
            "FHIR_PMP_LOG_LEVEL": "debug",
        }

    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(COMMAND), *arguments],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        self.output += done.stdout + done.stderr
        return done

    def run_ok(self, *arguments: str, given: str | None = None) -> str:
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def command_runner(tmp_path: Path) -> CommandRunner:
    return CommandRunner(tmp_path)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> CommandRunner:
    """An operator whose database is ready; for tests that change nothing."""
    command_runner = CommandRunner(tmp_path_factory.mktemp("migrated"))
    command_runner.run_ok("migrate")
    return command_runner


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return [one for one in cohort(12, seed=7, today=datetime.date(2026, 11, 22)) if not one.referred]


def export(people: list[Person], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        write_wide_csv(people, opened)


def test_an_operator_sets_up_imports_looks_and_withdraws(
    command_runner: CommandRunner, people: list[Person], tmp_path: Path
) -> None:
    assert "the database is at" in command_runner.run_ok("migrate")
    who = ("users", "add", "ann", "--name", "Dr Ann Example", "--role", "clinician", "--registration", "MED1")
    assert "may log in" in command_runner.run_ok(*who, "--password-stdin", given="correct horse battery\n")
    assert "token: " in command_runner.run_ok("clients", "add", "Hospital", "--kind", "ehr")
    export(people, tmp_path / "export.csv")
    first = command_runner.run_ok("import", str(tmp_path / "export.csv"), "--source", "redcap-wide")
    again = command_runner.run_ok("import", str(tmp_path / "export.csv"), "--source", "redcap-wide")
    accepted = int(first.split("responses: ")[1].split()[0])
    assert accepted > 0
    assert f"responses: 0 accepted, {accepted} repeated" in again
    assert not (tmp_path / "export.refused.csv").exists()


@pytest.mark.promise("P10")
def test_nobody_who_was_imported_stands_in_anything_that_was_printed(
    command_runner: CommandRunner, people: list[Person], tmp_path: Path
) -> None:
    command_runner.run_ok("migrate")
    export(people, tmp_path / "export.csv")
    broken = (
        (tmp_path / "export.csv").read_text().replace(",female,", ",nobody,").replace(",male,", ",nobody,")
    )
    (tmp_path / "broken.csv").write_text(broken)
    assert (
        command_runner.run("import", str(tmp_path / "broken.csv"), "--source", "redcap-wide").returncode == 1
    )
    command_runner.run_ok("import", str(tmp_path / "export.csv"), "--source", "redcap-wide")
    command_runner.run("summary", "nobody-we-know")
    output = command_runner.output
    for person in people:
        assert person.family_name not in output
        assert person.medicare_number is None or person.medicare_number not in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("summary", "patient-0"), "person: no such person"),
        (("responses", "withdraw", "response-0", "--reason", "asked to"), "response: no such response"),
        (("import", "README.md", "--source", "nowhere"), "--source must be one of"),
        (("users", "add", "ann", "--name", "Ann", "--role", "clinician"), "--registration is missing"),
        (
            ("clients", "add", "Clinic", "--kind", "platform", "--source", "nowhere"),
            "--source must be one of",
        ),
        (("deliveries", "replay"), "name a delivery"),
        (("deliveries", "backfill", "nowhere"), "FHIR_PMP_DESTINATIONS"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_without_a_traceback(
    migrated: CommandRunner, arguments: tuple[str, ...], named: str
) -> None:
    done = migrated.run(*arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert named in done.stderr


def test_a_database_that_is_not_migrated_stops_the_start_and_says_who_acts(
    command_runner: CommandRunner,
) -> None:
    done = command_runner.run("summary", "patient-0")
    assert done.returncode == 1
    assert "this version needs" in done.stderr


def test_another_id_secret_is_refused(command_runner: CommandRunner) -> None:
    command_runner.run_ok("migrate")
    command_runner.run("summary", "patient-0")
    command_runner.environment["FHIR_PMP_ID_SECRET"] = "another secret that is long enough too"
    done = command_runner.run("summary", "patient-0")
    assert done.returncode == 1
    assert "id secret" in done.stderr


def test_settings_are_listed_with_secrets_hidden(command_runner: CommandRunner) -> None:
    shown = command_runner.run_ok("settings")
    assert "FHIR_PMP_CLINIC_ZONE" in shown
    assert SECRET not in shown


def test_a_wrong_mapping_names_file_line_and_field(command_runner: CommandRunner, tmp_path: Path) -> None:
    source = Path(__file__).parents[3] / "mappings"
    folder = tmp_path / "mappings"
    for file in source.rglob("*"):
        if file.is_file():
            target = folder / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    wrong = folder / "instruments" / "gad7.yaml"
    wrong.write_text(wrong.read_text().replace("better: lower", "better: downwards"))
    done = command_runner.run("check-mappings", str(folder))
    assert done.returncode == 1
    assert "instruments/gad7.yaml:" in done.stderr
    assert "better" in done.stderr
    command_runner.environment["FHIR_PMP_MAPPINGS"] = str(folder)
    refused = command_runner.run("sync", "--once")
    assert refused.returncode == 1
    assert "instruments/gad7.yaml:" in refused.stderr
