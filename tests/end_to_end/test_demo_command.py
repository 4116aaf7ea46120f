"""`make demo` as somebody types it: it says which EHR it counts, ends as it should, and leaves no process behind."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.ehr import Ehr
from tests.end_to_end.demo_process import RunningCommand, list_running_processes
from tests.stub_ehr.process import stub_ehr

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
STUB = "the stub EHR of the tests (not a real one)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo of these tests keeps its things; a second run finds what the first left."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture
def commands(folder: Path) -> Iterator[list[RunningCommand]]:
    """What a test started; ended with it."""
    started: list[RunningCommand] = []
    yield started
    for command in started:
        command.end()
    assert list_running_processes(folder) == []


def demo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "demo", *arguments]


def test_it_ends_by_itself_names_the_stub_and_leaves_nothing_running(
    folder: Path, commands: list[RunningCommand], tmp_path: Path
) -> None:
    asked = f"--once --ehr stub --people 8 --folder {folder}"
    commands.append(RunningCommand.start(["make", "demo", f"ARGS={asked}"], tmp_path / "said"))
    assert commands[0].wait() == 0, commands[0].output
    assert list_running_processes(folder) == []
    output = commands[0].output
    assert "HAPI" not in output
    counting = [
        line for line in output.splitlines() if "delivering" in line or "read back" in line or "Sent" in line
    ]
    assert len(counting) >= 4
    assert all("stub" in line for line in counting)
    facts = json.loads((folder / "summary.json").read_text())
    assert facts["ehr"] == STUB
    assert facts["everything_there"]
    assert facts["people"] == 8
    assert facts["read_back"]["Patient"] == 8
    # PMP-000001 finished and PMP-000006 stopped; both were referred and share.
    assert [(one["ended"], one["task_status"]) for one in facts["letters"]] == [
        ("finished", "completed"),
        ("stopped", "completed"),
    ]
    assert (folder / "stub" / "discharge-letter-PMP-000001.pdf").read_bytes().startswith(b"%PDF-")


def test_it_serves_until_ctrl_c_which_ends_every_process(
    folder: Path, commands: list[RunningCommand], tmp_path: Path
) -> None:
    commands.append(
        RunningCommand.start(
            demo("--ehr", "stub", "--people", "8", "--folder", str(folder)), tmp_path / "said"
        )
    )
    commands[0].wait_until("Serving until Ctrl-C")
    assert "password:" in commands[0].output
    assert len(list_running_processes(folder)) >= 4  # the demo, the stub, web and sync
    commands[0].press_ctrl_c()
    assert commands[0].wait(60) == 0
    assert list_running_processes(folder) == []


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ended_in_the_middle_it_leaves_nothing_running(
    folder: Path, commands: list[RunningCommand], tmp_path: Path, ending: signal.Signals
) -> None:
    commands.append(
        RunningCommand.start(
            demo("--ehr", "stub", "--people", "8", "--folder", str(folder)), tmp_path / "said"
        )
    )
    commands[0].wait_until("starting the web process")
    os.kill(commands[0].process.pid, ending)
    assert commands[0].wait(60) == 130
    assert list_running_processes(folder) == []
    assert "Traceback" not in commands[0].output


def test_without_java_it_says_how_to_get_it_and_offers_the_stub(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("PATH", "JAVA_HOME")}
    command = RunningCommand.start(
        demo("--once", "--folder", str(tmp_path / "demo")),
        tmp_path / "said",
        {**environment, "PATH": "/nowhere"},
    )
    assert command.wait(60) == 1
    assert "Java 17 or newer is missing" in command.output
    assert "apt-get install" in command.output
    assert 'make demo ARGS="--ehr stub"' in command.output


def test_another_server_is_sent_five_people_and_may_name_what_it_holds_itself(
    tmp_path: Path, commands: list[RunningCommand]
) -> None:
    with stub_ehr() as server:
        asked = ("--once", "--ehr", server.address, "--folder", str(tmp_path / "demo"))
        commands.append(RunningCommand.start(demo(*asked), tmp_path / "said"))
        assert commands[0].wait() == 0, commands[0].output
        assert Ehr("the other server", server.address, "elsewhere").count("Patient", ()) == 5
    facts = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert (facts["people"], facts["ehr"], facts["sent"]["Patient"]) == (5, server.address, 5)
    assert facts["read_back"] == {}
    assert "assigns its own ids: not counted" in commands[0].output


def test_a_server_that_is_none_is_named(tmp_path: Path) -> None:
    command = RunningCommand.start(
        demo("--once", "--ehr", "http://127.0.0.1:9/fhir", "--folder", str(tmp_path / "demo")),
        tmp_path / "said",
    )
    assert command.wait(60) == 1
    assert "http://127.0.0.1:9/fhir does not answer as a FHIR server" in command.output
    assert "Traceback" not in command.output
