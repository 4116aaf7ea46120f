"""F20: the EHR takes tokens, and the token it gave is refused before its time: renewed once, asked once more."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fhir_pmp.ehr.config.destinations import Algorithm, SignIn
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.push.worker import PushResult, PushWorker
from fhir_pmp.ehr.sign_in.keys import load_keys
from fhir_pmp.ehr.sign_in.tokens import BackendSignIn
from fhir_pmp.ehr.transport.client import EhrClient, Limits
from tests.fault_injection.fault_proxy import Call, FaultProxy, InjectedFault
from tests.faults.fault_scenario import FaultScenario


class TokenGateway:
    """Gives out tokens before an EHR, and lets through who shows the newest that is not expired."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.address = proxy.address
        self.issued = 0
        self.valid: set[str] = set()
        self.rejects_everybody = False

    def plan(self, call: Call) -> InjectedFault | None:
        """What the fault proxy does with a call."""
        if call.path.endswith("/smart-configuration"):
            return _json_answer({"token_endpoint": f"{self.address}/token"})
        if call.path.endswith("/token"):
            assert b"client_assertion=" in call.body
            self.issued += 1
            self.valid.add(f"token-{self.issued}")
            return _json_answer(
                {"access_token": f"token-{self.issued}", "token_type": "bearer", "expires_in": 3600}
            )
        shown = call.headers.get("authorization", "").removeprefix("Bearer ")
        if shown in self.valid and not self.rejects_everybody:
            return None
        return InjectedFault("401", status=401)


def _json_answer(what: dict[str, object]) -> InjectedFault:
    headers = {"Content-Type": "application/json"}
    return InjectedFault("says", status=200, status_headers=headers, status_body=json.dumps(what).encode())


@pytest.fixture
def token_gateway(scenario: FaultScenario) -> TokenGateway:
    token_gateway = TokenGateway(scenario.proxy)
    scenario.proxy.plan = token_gateway.plan
    return token_gateway


@pytest.fixture
def client(scenario: FaultScenario, token_gateway: TokenGateway, tmp_path: Path) -> EhrClient:
    """Signs in with a key of its own."""
    key = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(key)
    asked = SignIn("us", "system/*.cruds", Algorithm.ES384, ())
    keys = load_keys([tmp_path / "key.pem"], "keys")
    tokens = BackendSignIn(token_gateway.address, asked, keys, lambda: scenario.harness.now)
    return EhrClient(token_gateway.address, connections=1, limits=Limits(2.0, 5.0, 10.0), tokens=tokens)


@pytest.fixture
def connection(scenario: FaultScenario, client: EhrClient) -> Iterator[EhrConnection]:
    """The destination that we sign in at."""
    with client:
        yield EhrConnection(scenario.harness.destination, client)


def push(scenario: FaultScenario, connection: EhrConnection) -> PushResult:
    return PushWorker(scenario.store, connection, lambda: scenario.harness.now).run()


def refused(scenario: FaultScenario) -> list[str]:
    return [seen.method for seen in scenario.proxy.seen if seen.fault == "401"]


def test_f20_a_token_that_is_refused_is_renewed_once_and_the_request_made_once_more(
    scenario: FaultScenario, token_gateway: TokenGateway, connection: EhrConnection
) -> None:
    scenario.publish_people(1)
    push(scenario, connection)
    assert token_gateway.issued == 1
    scenario.correct_scores(ks=(1, 2))
    token_gateway.valid.clear()  # it expired before the time that was said
    assert push(scenario, connection).counts == {"sent": 2}
    assert token_gateway.issued == 2
    assert len(refused(scenario)) == 1
    scenario.assert_all_delivered_once()
    assert [scenario.ehr.versions(f"Observation/score-1-{k}") for k in (1, 2)] == [2, 2]
    assert {d.attempts for d in scenario.harness.deliveries()} == {1}, "it was no failed attempt"


@pytest.mark.promise("P7")
def test_f20_one_renewal_and_no_more_then_the_ehr_is_paused(
    scenario: FaultScenario, token_gateway: TokenGateway, connection: EhrConnection
) -> None:
    scenario.publish_people(3)
    push(scenario, connection)
    scenario.correct_scores()
    token_gateway.rejects_everybody = True
    for _ in range(5):
        push(scenario, connection)
        scenario.harness.later(minutes=10)
    assert len(refused(scenario)) == 2
    assert token_gateway.issued == 2
    (item,) = scenario.harness.work_items()
    assert (item.kind, item.details["status"]) == ("destination_paused", 401)
    token_gateway.rejects_everybody = False
    scenario.harness.now += timedelta(hours=1)
    push(scenario, connection)
    scenario.assert_all_delivered_once()
