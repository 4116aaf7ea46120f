"""We sign in as SMART Backend Services says: by a key, at the endpoint the EHR names, and the token goes nowhere else."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import KeySet

from fhir_pmp.ehr.config.destinations import SignIn
from fhir_pmp.ehr.sign_in import BackendSignIn, load_keys, public_keys
from fhir_pmp.ehr.sign_in.keys import KeysWrong
from fhir_pmp.ehr.transport.client import EhrClient, Limits
from fhir_pmp.ehr.transport.response_class import HttpResponseClass, SignInRefused, TokenEndpointFailing
from fhir_pmp.store import Store
from tests.fault_injection.fault_proxy import FaultProxy
from tests.integration.ehr.sample_resources import NOW, publish_people
from tests.integration.ehr.stub_server import stub_server
from tests.integration.ehr.sync_harness import SyncHarness
from tests.integration.ehr.token_server import TokenServer, ec_key, guard, rsa_key, token_server

CLIENT = "pain-programme"
KEY = "FHIR_PMP_SIGNING_KEYS"


class Clock:
    """The clock of a test."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class SignInScenario:
    """An EHR behind tokens, its authorization server, and us."""

    def __init__(self, proxy: FaultProxy, server: TokenServer, files: list[Path], clock: Clock) -> None:
        self.proxy, self.server, self.clock = proxy, server, clock
        self.keys = load_keys(files, KEY)
        self.client = self.sign_in()

    def sign_in(self, *, keys: Any = None, origins: tuple[str, ...] | None = None) -> EhrClient:
        """A client of ours."""
        how = SignIn(
            CLIENT,
            "system/Observation.cruds",
            (keys or self.keys)[0].algorithm,
            (self.server.origin,) if origins is None else origins,
        )
        tokens = BackendSignIn(self.proxy.address, how, keys or self.keys, self.clock)
        return EhrClient(self.proxy.address, limits=Limits(2.0, 5.0, 10.0), tokens=tokens)

    def asked_of_ehr(self) -> list[str]:
        """What the EHR was asked, without the discovery."""
        return [seen.path for seen in self.proxy.seen if ".well-known" not in seen.path]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Keys, made once."""
    folder = tmp_path_factory.mktemp("keys")
    return {
        "RS384": rsa_key(folder / "rsa.pem"),
        "ES384": ec_key(folder / "ec.pem"),
        "next": ec_key(folder / "next.pem"),
        "short": rsa_key(folder / "short.pem", 1024),
        "P-256": ec_key(folder / "p256.pem", ec.SECP256R1()),
    }


@pytest.fixture(params=["ES384"])
def scenario(request: pytest.FixtureRequest, files: dict[str, Path]) -> Iterator[SignInScenario]:
    clock = Clock()
    keys = [files[request.param]]
    with (
        stub_server() as stub,
        FaultProxy(stub.address) as proxy,
        token_server(CLIENT, public_keys(load_keys(keys, KEY)), lambda: clock.now.timestamp()) as server,
    ):
        guard(proxy, server)
        made = SignInScenario(proxy, server, keys, clock)
        yield made
        made.client.close()


@pytest.mark.parametrize("scenario", ["RS384", "ES384"], indirect=True)
def test_one_token_serves_until_shortly_before_its_end(scenario: SignInScenario) -> None:
    for _ in range(3):
        assert scenario.client.ask("GET", "metadata").status == 200
    assert len(scenario.server.asked) == 1
    scenario.clock.now += timedelta(seconds=269)
    scenario.client.ask("GET", "metadata")
    assert len(scenario.server.asked) == 1
    scenario.clock.now += timedelta(seconds=1)
    assert scenario.client.ask("GET", "metadata").status == 200
    assert scenario.server.given == ["token-1", "token-2"]
    assert scenario.server.refused == []
    assert [asked["scope"] for asked in scenario.server.asked] == ["system/Observation.cruds"] * 2


@pytest.mark.promise("P20")
@pytest.mark.parametrize("scenario", ["RS384", "ES384"], indirect=True)
def test_the_assertion_says_what_smart_demands_and_no_more(scenario: SignInScenario) -> None:
    scenario.client.ask("GET", "metadata")
    keys = KeySet.import_key_set(json.loads(public_keys(scenario.keys)))
    token = jwt.decode(scenario.server.asked[0]["client_assertion"], keys, algorithms=["RS384", "ES384"])
    assert token.header == {
        "alg": scenario.keys[0].algorithm.value,
        "kid": scenario.keys[0].kid,
        "typ": "JWT",
    }
    assert token.claims.keys() == {"iss", "sub", "aud", "iat", "exp", "jti"}
    assert (token.claims["iss"], token.claims["aud"]) == (CLIENT, scenario.server.endpoint)
    assert 0 < token.claims["exp"] - token.claims["iat"] <= 300
    assert scenario.server.asked[0]["authorization"] == ""


@pytest.mark.promise("P20")
def test_a_401_renews_the_token_once_and_asks_once_more(scenario: SignInScenario) -> None:
    scenario.client.ask("GET", "metadata")
    scenario.server.valid.clear()
    assert scenario.client.ask("GET", "metadata").status == 200
    assert len(scenario.server.asked) == 2
    assert len(scenario.asked_of_ehr()) == 3


@pytest.mark.promise("P20")
def test_a_401_that_stays_is_an_answer_after_one_renewal(scenario: SignInScenario) -> None:
    scenario.client.ask("GET", "metadata")
    guard(scenario.proxy, scenario.server)
    scenario.server.valid = frozenset()  # type: ignore[assignment]
    scenario.server.answer = lambda: (200, {}, b'{"access_token":"x","token_type":"Bearer","expires_in":300}')
    assert scenario.client.ask("GET", "metadata").status == 401
    assert (len(scenario.server.asked), len(scenario.asked_of_ehr())) == (2, 3)


def test_many_threads_sign_in_once(scenario: SignInScenario) -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(scenario.client.ask("GET", "metadata").status))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    assert len(scenario.server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [(503, {}, b""), (429, {}, b""), (500, {}, b"<html>"), (200, {}, b"<html>")],
    ids=["503", "429", "500", "HTML"],
)
def test_a_token_endpoint_that_is_sick_is_for_later_and_the_ehr_is_not_asked(
    scenario: SignInScenario, answer: Any
) -> None:
    scenario.server.answer = lambda: answer
    with pytest.raises(TokenEndpointFailing) as raised:
        scenario.client.ask("GET", "metadata")
    assert raised.value.response_class is HttpResponseClass.RETRY
    assert scenario.asked_of_ehr() == []
    scenario.server.answer = lambda: None
    assert scenario.client.ask("GET", "metadata").status == 200


def test_a_token_endpoint_that_nobody_listens_at_is_for_later(scenario: SignInScenario) -> None:
    scenario.server.shutdown()
    scenario.server.server_close()
    with pytest.raises(TokenEndpointFailing):
        scenario.client.ask("GET", "metadata")
    assert scenario.asked_of_ehr() == []


def _error(code: str) -> Any:
    return lambda: (400, {}, json.dumps({"error": code, "error_description": "Ann Example"}).encode())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (_error("invalid_client"), "400 invalid_client"),
        (_error("invalid_scope"), "400 invalid_scope"),
        (_error("Ann Example"), "answers 400"),
        (lambda: (302, {"Location": "http://127.0.0.1:1/"}, b""), "answers 302"),
        (lambda: (200, {}, b'{"token_type":"bearer"}'), "gives no token"),
        (lambda: (200, {}, b'{"access_token":"a\\r\\nX: y","token_type":"bearer"}'), "gives no token"),
        (lambda: (200, {}, b'{"access_token":"a","token_type":"mac"}'), "that we cannot use"),
        (
            lambda: (200, {}, b'{"access_token":"a","token_type":"bearer","expires_in":"1"}'),
            "that we cannot use",
        ),
        (
            lambda: (200, {}, b'{"access_token":"a","token_type":"bearer","expires_in":0}'),
            "that we cannot use",
        ),
    ],
)
def test_a_token_endpoint_that_refuses_is_for_a_person(
    scenario: SignInScenario, answer: Any, message: str
) -> None:
    scenario.server.answer = answer
    with pytest.raises(SignInRefused, match=message) as raised:
        scenario.client.ask("GET", "metadata")
    assert raised.value.response_class is HttpResponseClass.PAUSE
    assert "Ann" not in str(raised.value)
    assert scenario.asked_of_ehr() == []
    assert len(scenario.server.asked) == 1


@pytest.mark.promise("P20")
@pytest.mark.parametrize(
    ("changed_members", "message"),
    [
        (
            {"token_endpoint": "https://login.example.org.evil.test/token"},
            "on an origin that its file does not",
        ),
        ({"token_endpoint": "http://127.0.0.1@evil.test/token"}, "is no address"),
        ({"token_endpoint": "/token"}, "is no address"),
        ({"token_endpoint": None}, "names no token endpoint"),
        ({"grant_types_supported": ["authorization_code"]}, "does not offer client_credentials"),
        (
            {"token_endpoint_auth_methods_supported": ["client_secret_basic"]},
            "does not offer private_key_jwt",
        ),
        ({"token_endpoint_auth_signing_alg_values_supported": ["RS384"]}, "does not offer ES384"),
    ],
)
def test_a_configuration_that_we_cannot_go_by_is_refused_and_nobody_is_asked(
    scenario: SignInScenario, changed_members: dict[str, Any], message: str
) -> None:
    guard(scenario.proxy, scenario.server, **changed_members)
    with pytest.raises(SignInRefused, match=message):
        scenario.client.ask("GET", "metadata")
    assert scenario.server.asked == []
    assert scenario.asked_of_ehr() == []


@pytest.mark.promise("P20")
def test_a_token_endpoint_elsewhere_is_believed_only_where_the_file_allows_it(
    scenario: SignInScenario,
) -> None:
    with (
        scenario.sign_in(origins=()) as client,
        pytest.raises(SignInRefused, match="its file does not allow"),
    ):
        client.ask("GET", "metadata")
    assert scenario.server.asked == []


def test_a_token_endpoint_without_tls_is_refused_beyond_loopback(scenario: SignInScenario) -> None:
    guard(scenario.proxy, scenario.server, token_endpoint="http://login.example.org/token")
    with (
        scenario.sign_in(origins=("http://login.example.org",)) as client,
        pytest.raises(SignInRefused, match="is not https"),
    ):
        client.ask("GET", "metadata")


@pytest.mark.promise("P20")
@pytest.mark.parametrize("known", ["old", "new"])
def test_keys_may_be_exchanged_while_deliveries_go_on(
    scenario: SignInScenario, files: dict[str, Path], known: str
) -> None:
    """The EHR keeps our JWK set for a while: it may know only the key that goes, or only the one that comes."""
    old, new = load_keys([files["ES384"], files["next"]], KEY)
    scenario.server.knows(public_keys([old if known == "old" else new]))
    for keys in ((old, new), (new, old)):
        with scenario.sign_in(keys=keys) as client:
            assert client.ask("GET", "metadata").status == 200
    assert len(scenario.server.given) == 2
    assert len(scenario.server.refused) == 1
    scenario.server.knows(b'{"keys":[]}')
    with scenario.sign_in(keys=(old, new)) as client, pytest.raises(SignInRefused, match="invalid_client"):
        client.ask("GET", "metadata")


def test_our_jwk_set_holds_public_halves_alone(files: dict[str, Path]) -> None:
    keys = load_keys([files["RS384"], files["ES384"], files["RS384"]], KEY)
    shown = json.loads(public_keys(keys))["keys"]
    assert {key["alg"] for key in shown} == {"RS384", "ES384"}
    assert len(shown) == 2
    for key in shown:
        assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & key.keys()
        assert (key["use"], key["key_ops"]) == ("sig", ["verify"])


@pytest.mark.parametrize(
    ("name", "message"),
    [("short", "at least 2048 bits"), ("P-256", "neither RSA"), ("nothing", "is no PEM file")],
)
def test_a_key_that_cannot_be_used_is_named(
    files: dict[str, Path], tmp_path: Path, name: str, message: str
) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("hello")
    with pytest.raises(KeysWrong, match=message):
        load_keys([files.get(name, nothing)], KEY)


@pytest.mark.promise("P20")
def test_a_sign_in_that_is_refused_pauses_the_destination_and_one_that_is_sick_does_not(
    store: Store, scenario: SignInScenario
) -> None:
    with SyncHarness(store, scenario.proxy.address) as harness:
        harness.client = scenario.client
        harness.destination = replace(harness.destination, title="An EHR that wants a token")
        publish_people(store, 1)
        scenario.server.answer = lambda: (503, {}, b"")
        harness.push()
        assert harness.states() == {"pending": 9}
        assert harness.work_items() == []
        assert not any(delivery.may_have_arrived for delivery in harness.deliveries())
        scenario.server.answer = _error("invalid_client")
        harness.later(minutes=1)
        harness.push()
        (item,) = harness.work_items()
        assert item.kind == "destination_paused"
        assert item.details["reason"] == "its token endpoint answers 400 invalid_client"
        scenario.server.answer = lambda: None
        scenario.clock.now = harness.later(hours=1)
        harness.push_until_quiet()
        assert harness.states() == {"sent": 9}
        assert harness.work_items() == []
