"""What a watching program and an auditor learn from the commands: how delivery does, and who let whom in."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fhir_pmp.store import Store
from fhir_pmp.store.leases import TIMERS
from tests.integration.cli.test_commands import CommandRunner

RUN_COMMANDS_SCRIPT = """
import json, sys
from fhir_pmp.cli.main import commands
for arguments in json.loads(sys.argv[1]):
    commands(arguments, standalone_mode=False)
"""
"""The commands in one process: starting one takes longer than what it does."""


@pytest.fixture
def command_runner(tmp_path: Path) -> CommandRunner:
    command_runner = CommandRunner(tmp_path)
    command_runner.environment["FHIR_PMP_DESTINATIONS"] = "hapi=http://127.0.0.1:9/fhir"
    return command_runner


@pytest.mark.promise("P18")
def test_the_status_says_whether_a_person_should_look(command_runner: CommandRunner) -> None:
    not_migrated = command_runner.run("health", "--json")
    assert (not_migrated.returncode, not_migrated.stdout) == (1, "")
    assert "this version needs" in not_migrated.stderr

    command_runner.run_ok("migrate")
    without_sync = command_runner.run("health")
    assert without_sync.returncode == 3
    assert "sync: no process is running" in without_sync.stdout
    assert "hapi, last successful delivery: none" in without_sync.stdout

    store = Store(command_runner.environment["FHIR_PMP_DATABASE_URL"])
    with store.begin_without_publishing() as uow:
        uow.leases.acquire(TIMERS, "somebody", now=datetime.now(UTC), duration=timedelta(hours=1))
    store.close()
    well = command_runner.run("health", "--json")
    assert well.returncode == 0
    status = json.loads(well.stdout)
    assert status["status"] == "ok"
    assert status["destinations"]["hapi"]["seconds_since_last_delivery"] is None
    assert status["destinations"]["hapi"]["breaker"] == "closed"


@pytest.mark.promise("P8")
def test_whoever_is_let_in_or_shut_out_stands_in_the_audit(command_runner: CommandRunner) -> None:
    command_runner.run_ok("migrate")
    each = [
        ("users", "add", "root", "--name", "Ro Ot", "--role", "administrator"),
        ("users", "list"),
        ("users", "disable", "root"),
        ("clients", "add", "Monitoring", "--kind", "monitoring"),
        ("clients", "list"),
        ("clients", "disable", "Monitoring"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUN_COMMANDS_SCRIPT, json.dumps(each)],
        env=command_runner.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    store = Store(command_runner.environment["FHIR_PMP_DATABASE_URL"])
    with store.read() as uow:
        rows = [row for _, row in uow.audit.list_all()]
        (account,) = uow.accounts.list_all()
        (client,) = uow.clients.list_all()
    store.close()
    assert [(row.who, row.route, row.action, row.outcome, row.resources) for row in rows] == [
        ("command:users", "users add", "create", "administrator", (f"account/{account.id}",)),
        ("command:users", "users list", "read", "shown", ()),
        ("command:users", "users disable", "update", "disabled", (f"account/{account.id}",)),
        ("command:clients", "clients add", "create", "monitoring", (f"client/{client.id}",)),
        ("command:clients", "clients list", "read", "shown", ()),
        ("command:clients", "clients disable", "update", "disabled", (f"client/{client.id}",)),
    ]
