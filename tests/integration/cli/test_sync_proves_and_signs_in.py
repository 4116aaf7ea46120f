"""The sync process as it is started: it believes no server, and signs in where a destination's file says so."""

import shutil
import time
from pathlib import Path

import pytest

from fhir_pmp.ehr.proof import read_proof
from fhir_pmp.ehr.sign_in import load_keys, public_keys
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.settings import SOURCE_TREE_MAPPINGS
from fhir_pmp.store import Store
from tests.faults.proxy import FaultProxy
from tests.integration.cli.test_the_commands import Operator
from tests.integration.ehr.stubs import everything, stub_that
from tests.integration.ehr.token_server import ec_key, guard, token_server

CLINIC = DestinationId("clinic")
FILE = "id: clinic\ntitle: A clinic's EHR\npatients: ours\n"
SIGNS_IN = "sign_in: {client_id: pain-programme, scope: system/*.cruds, algorithm: ES384}\n"


@pytest.fixture
def operator(tmp_path: Path, migrated_file: Path) -> Operator:
    operator = Operator(tmp_path)
    folder = tmp_path / "mappings"
    shutil.copytree(SOURCE_TREE_MAPPINGS, folder)
    (folder / "destinations" / "clinic.yaml").write_text(FILE)
    operator.environment["FHIR_PMP_MAPPINGS"] = str(folder)
    shutil.copy(migrated_file, tmp_path / "clinic.sqlite")
    return operator


def test_a_destination_is_proven_before_anything_is_sent(operator: Operator) -> None:
    with stub_that() as server:
        operator.environment["FHIR_PMP_DESTINATIONS"] = f"clinic={server.address}"
        operator.said("sync", "--once")
        standing = everything(server)
    assert any(place.startswith("Questionnaire/") for place in standing)
    assert not any(place.startswith("Observation/") for place in standing)
    store = Store(operator.environment["FHIR_PMP_DATABASE_URL"])
    with store.read() as books:
        kept = books.proofs.find(CLINIC)
    store.close()
    assert kept is not None
    assert read_proof(*kept) is not None


def test_a_server_that_ignores_if_match_gets_nothing_and_a_person_is_told(operator: Operator) -> None:
    with stub_that(ignores=frozenset({"if-match"})) as server:
        operator.environment["FHIR_PMP_DESTINATIONS"] = f"clinic={server.address}"
        operator.said("sync", "--once")
        assert everything(server) == []
    store = Store(operator.environment["FHIR_PMP_DATABASE_URL"])
    with store.read() as books:
        (item,) = books.work_items.list_open(kinds=["destination_paused"])
    store.close()
    assert "an update under an old version overwrites" in str(item.details["reason"])
    assert "fhir-pmp probe" in item.what


def test_it_signs_in_with_the_key_that_the_settings_name(operator: Operator, tmp_path: Path) -> None:
    key = ec_key(tmp_path / "clinic.pem")
    (tmp_path / "mappings" / "destinations" / "clinic.yaml").write_text(FILE + SIGNS_IN)
    jwks = public_keys(load_keys([key], "x"))
    with (
        stub_that() as stub,
        FaultProxy(stub.address) as proxy,
        token_server("pain-programme", jwks, time.time) as server,
    ):
        server.behind = f"http://127.0.0.1:{proxy.port}"
        guard(proxy, server)
        operator.environment["FHIR_PMP_DESTINATIONS"] = f"clinic={proxy.address}"
        operator.environment["FHIR_PMP_SIGNING_KEYS"] = f"clinic={key}"
        operator.said("sync", "--once")
        assert any(place.startswith("Questionnaire/") for place in everything(stub))
        assert (server.refused, len(server.given)) == ([], 1)
    assert "token-1" not in operator.printed
