"""F20: the EHR takes tokens, and the token it gave is refused before its time: renewed once, asked once more."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fhir_pmp.ehr.client import EhrClient, Limits
from fhir_pmp.ehr.destinations import Algorithm, SignIn
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.push import Push, Pushed
from fhir_pmp.ehr.sign_in.keys import load_keys
from fhir_pmp.ehr.sign_in.tokens import BackendSignIn
from tests.faults.proxy import Call, Fault, FaultProxy
from tests.faults.scene import Scene


class Gate:
    """Gives out tokens before an EHR, and lets through who shows the newest that is not expired."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.address = proxy.address
        self.given = 0
        self.valid: set[str] = set()
        self.lets_nobody_in = False

    def plan(self, call: Call) -> Fault | None:
        """What the fault proxy does with a call."""
        if call.path.endswith("/smart-configuration"):
            return _says({"token_endpoint": f"{self.address}/token"})
        if call.path.endswith("/token"):
            assert b"client_assertion=" in call.body
            self.given += 1
            self.valid.add(f"token-{self.given}")
            return _says({"access_token": f"token-{self.given}", "token_type": "bearer", "expires_in": 3600})
        shown = call.headers.get("authorization", "").removeprefix("Bearer ")
        if shown in self.valid and not self.lets_nobody_in:
            return None
        return Fault("401", status=401)


def _says(what: dict[str, object]) -> Fault:
    headers = {"Content-Type": "application/json"}
    return Fault("says", status=200, status_headers=headers, status_body=json.dumps(what).encode())


@pytest.fixture
def gate(scene: Scene) -> Gate:
    gate = Gate(scene.proxy)
    scene.proxy.plan = gate.plan
    return gate


@pytest.fixture
def client(scene: Scene, gate: Gate, tmp_path: Path) -> EhrClient:
    """Signs in with a key of its own."""
    key = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(key)
    asked = SignIn("us", "system/*.cruds", Algorithm.ES384, ())
    keys = load_keys([tmp_path / "key.pem"], "keys")
    tokens = BackendSignIn(gate.address, asked, keys, lambda: scene.house.now)
    return EhrClient(gate.address, connections=1, limits=Limits(2.0, 5.0, 10.0), tokens=tokens)


@pytest.fixture
def neighbour(scene: Scene, client: EhrClient) -> Iterator[Neighbour]:
    """The destination that we sign in at."""
    with client:
        yield Neighbour(scene.house.destination, client)


def push(scene: Scene, neighbour: Neighbour) -> Pushed:
    return Push(scene.store, neighbour, lambda: scene.house.now).run()


def refused(scene: Scene) -> list[str]:
    return [seen.method for seen in scene.proxy.seen if seen.fault == "401"]


def test_f20_a_token_that_is_refused_is_renewed_once_and_the_request_made_once_more(
    scene: Scene, gate: Gate, neighbour: Neighbour
) -> None:
    scene.publish_people(1)
    push(scene, neighbour)
    assert gate.given == 1
    scene.correct_scores(ks=(1, 2))
    gate.valid.clear()  # it expired before the time that was said
    assert push(scene, neighbour).counts == {"sent": 2}
    assert gate.given == 2
    assert len(refused(scene)) == 1
    scene.expect_all_once()
    assert [scene.ehr.versions(f"Observation/score-1-{k}") for k in (1, 2)] == [2, 2]
    assert {d.attempts for d in scene.house.deliveries()} == {1}, "it was no failed attempt"


def test_f20_one_renewal_and_no_more_then_the_ehr_is_paused(
    scene: Scene, gate: Gate, neighbour: Neighbour
) -> None:
    scene.publish_people(3)
    push(scene, neighbour)
    scene.correct_scores()
    gate.lets_nobody_in = True
    for _ in range(5):
        push(scene, neighbour)
        scene.house.later(minutes=10)
    assert len(refused(scene)) == 2
    assert gate.given == 2
    (item,) = scene.house.work_items()
    assert (item.kind, item.details["status"]) == ("destination_paused", 401)
    gate.lets_nobody_in = False
    scene.house.now += timedelta(hours=1)
    push(scene, neighbour)
    scene.expect_all_once()
