"""The sync process as it is started: it believes no server, and signs in where a destination's file says so."""

import shutil
import time
from pathlib import Path

import pytest

from fhir_pmp.ehr.capability.verified_capability import parse_verified
from fhir_pmp.ehr.sign_in import load_keys, public_keys
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.settings import SOURCE_TREE_MAPPINGS
from fhir_pmp.store import Store
from tests.fault_injection.fault_proxy import FaultProxy
from tests.integration.cli.test_commands import CommandRunner
from tests.integration.ehr.stub_server import everything, stub_server
from tests.integration.ehr.token_server import ec_key, guard, token_server

CLINIC = DestinationId("clinic")
FILE = "id: clinic\ntitle: A clinic's EHR\npatients: ours\n"
SIGNS_IN = "sign_in: {client_id: pain-programme, scope: system/*.cruds, algorithm: ES384}\n"


@pytest.fixture
def command_runner(tmp_path: Path, migrated_file: Path) -> CommandRunner:
    command_runner = CommandRunner(tmp_path)
    folder = tmp_path / "mappings"
    shutil.copytree(SOURCE_TREE_MAPPINGS, folder)
    (folder / "destinations" / "clinic.yaml").write_text(FILE)
    command_runner.environment["FHIR_PMP_MAPPINGS"] = str(folder)
    shutil.copy(migrated_file, tmp_path / "clinic.sqlite")
    return command_runner


def test_a_destination_is_proven_before_anything_is_sent(command_runner: CommandRunner) -> None:
    with stub_server() as server:
        command_runner.environment["FHIR_PMP_DESTINATIONS"] = f"clinic={server.address}"
        command_runner.run_ok("sync", "--once")
        standing = everything(server)
    assert any(place.startswith("Questionnaire/") for place in standing)
    assert not any(place.startswith("Observation/") for place in standing)
    store = Store(command_runner.environment["FHIR_PMP_DATABASE_URL"])
    with store.read() as uow:
        kept = uow.verifications.find(CLINIC)
    store.close()
    assert kept is not None
    assert parse_verified(*kept) is not None


def test_a_server_that_ignores_if_match_gets_nothing_and_a_person_is_told(
    command_runner: CommandRunner,
) -> None:
    with stub_server(ignores=frozenset({"if-match"})) as server:
        command_runner.environment["FHIR_PMP_DESTINATIONS"] = f"clinic={server.address}"
        command_runner.run_ok("sync", "--once")
        assert everything(server) == []
    store = Store(command_runner.environment["FHIR_PMP_DATABASE_URL"])
    with store.read() as uow:
        (item,) = uow.work_items.list_open(kinds=["destination_paused"])
    store.close()
    assert "an update under an old version overwrites" in str(item.details["reason"])
    assert "fhir-pmp probe" in item.what


def test_it_signs_in_with_the_key_that_the_settings_name(
    command_runner: CommandRunner, tmp_path: Path
) -> None:
    key = ec_key(tmp_path / "clinic.pem")
    (tmp_path / "mappings" / "destinations" / "clinic.yaml").write_text(FILE + SIGNS_IN)
    jwks = public_keys(load_keys([key], "x"))
    with (
        stub_server() as stub,
        FaultProxy(stub.address) as proxy,
        token_server("pain-programme", jwks, time.time) as server,
    ):
        server.behind = f"http://127.0.0.1:{proxy.port}"
        guard(proxy, server)
        command_runner.environment["FHIR_PMP_DESTINATIONS"] = f"clinic={proxy.address}"
        command_runner.environment["FHIR_PMP_SIGNING_KEYS"] = f"clinic={key}"
        command_runner.run_ok("sync", "--once")
        assert any(place.startswith("Questionnaire/") for place in everything(stub))
        assert (server.refused, len(server.given)) == ([], 1)
    assert "token-1" not in command_runner.output
