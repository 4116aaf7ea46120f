"""What a watching program and an auditor learn from the commands: how delivery does, and who let whom in."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fhir_pmp.store import Store
from fhir_pmp.store.leases import TIMERS
from tests.integration.cli.test_the_commands import Operator

ONE_AFTER_ANOTHER = """
import json, sys
from fhir_pmp.cli.main import commands
for arguments in json.loads(sys.argv[1]):
    commands(arguments, standalone_mode=False)
"""
"""The commands in one process: starting one takes longer than what it does."""


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    operator = Operator(tmp_path)
    operator.environment["FHIR_PMP_DESTINATIONS"] = "hapi=http://127.0.0.1:9/fhir"
    return operator


def test_the_status_says_whether_a_person_should_look(operator: Operator) -> None:
    not_migrated = operator.run("health", "--json")
    assert (not_migrated.returncode, not_migrated.stdout) == (1, "")
    assert "this version needs" in not_migrated.stderr

    operator.said("migrate")
    nobody_works = operator.run("health")
    assert nobody_works.returncode == 3
    assert "sync: no process is at work" in nobody_works.stdout
    assert "hapi, last delivery that got through: none" in nobody_works.stdout

    store = Store(operator.environment["FHIR_PMP_DATABASE_URL"])
    with store.begin_beside() as books:
        books.leases.take(TIMERS, "somebody", now=datetime.now(UTC), lasts=timedelta(hours=1))
    store.close()
    well = operator.run("health", "--json")
    assert well.returncode == 0
    told = json.loads(well.stdout)
    assert told["status"] == "ok"
    assert told["destinations"]["hapi"]["seconds_since_last_delivery"] is None
    assert told["destinations"]["hapi"]["breaker"] == "closed"


def test_whoever_is_let_in_or_shut_out_stands_in_the_audit(operator: Operator) -> None:
    operator.said("migrate")
    each = [
        ("users", "add", "root", "--name", "Ro Ot", "--role", "administrator"),
        ("users", "list"),
        ("users", "disable", "root"),
        ("clients", "add", "Monitoring", "--kind", "watcher"),
        ("clients", "list"),
        ("clients", "disable", "Monitoring"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(each)],
        env=operator.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    store = Store(operator.environment["FHIR_PMP_DATABASE_URL"])
    with store.read() as books:
        rows = [row for _, row in books.audit.list_all()]
        (account,) = books.accounts.list_all()
        (client,) = books.clients.list_all()
    store.close()
    assert [(row.who, row.route, row.action, row.outcome, row.resources) for row in rows] == [
        ("command:users", "users add", "create", "administrator", (f"account/{account.id}",)),
        ("command:users", "users list", "read", "shown", ()),
        ("command:users", "users disable", "update", "disabled", (f"account/{account.id}",)),
        ("command:clients", "clients add", "create", "watcher", (f"client/{client.id}",)),
        ("command:clients", "clients list", "read", "shown", ()),
        ("command:clients", "clients disable", "update", "disabled", (f"client/{client.id}",)),
    ]
