"""What a server truly honours is found out, whatever it claims; what was made for it is gone afterwards."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from fhir_pmp.cli.main import commands
from fhir_pmp.cli.probe import COULD_NOT_PROBE, LEFT_BEHIND
from fhir_pmp.ehr.capability.probing import Honoured, ProbeReport, probe
from fhir_pmp.ehr.capability.probing.probe_session import SYSTEM, ProbeSession
from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.ehr.transport.client import EhrClient, Limits
from tests.fault_injection.fault_proxy import Call, FaultProxy, InjectedFault
from tests.integration.ehr.sample_resources import NOW
from tests.integration.ehr.stub_server import everything, stub_server

YES, NO, PARTLY = Honoured.YES, Honoured.NO, Honoured.PARTLY
LIMITS = Limits(2.0, 5.0, 10.0)


def probed(address: str, **how: Any) -> ProbeReport:
    with EhrClient(address, limits=LIMITS) as client:
        return probe(client, NOW, **{"search_timeout": 0.3, **how})


def honoured(found: ProbeReport) -> dict[str, Honoured]:
    return {one.name: one.result.honoured for one in found.findings}


def test_what_the_stub_honours_is_seen_and_nothing_is_left() -> None:
    with stub_server(cache=60.0) as server:
        found = probed(server.address)
        assert everything(server) == []
    assert honoured(found) == {
        **dict.fromkeys(
            ["version", "clock", "by_identifier", "unknown_parameter", "changed_since", "answers"], YES
        ),
        **dict.fromkeys(["client_ids", "same_again", "if_match", "search_lag", "if_none_exist"], YES),
        **dict.fromkeys(["conditional_update", "transaction", "batch", "paging", "decimals", "dates"], YES),
        **dict.fromkeys(["caching", "tags", "invalid_input"], PARTLY),
        "if_none_match": NO,
        "removal": YES,
    }
    assert found.remains == []
    assert found.choice is not None
    assert found.choice.strategy is WriteStrategy.OUR_ID
    claimed = {one.name: one.claimed for one in found.findings}
    assert (claimed["client_ids"], claimed["if_none_exist"]) == ("says nothing", "conditionalCreate: true")


def _first_letter_of_decimals(resource: dict[str, Any]) -> dict[str, Any]:
    less = json.loads(json.dumps(resource, default=float))
    return dict(less)


@pytest.mark.parametrize(
    ("switches", "name", "expected", "strategy"),
    [
        ({"client_ids": False}, "client_ids", NO, WriteStrategy.CONDITIONAL_UPDATE),
        ({"ignores": frozenset({"if-match"})}, "if_match", NO, WriteStrategy.NONE),
        ({"updates": False}, "if_match", PARTLY, WriteStrategy.CONDITIONAL_CREATE),
        ({"updates": False, "search_lag": 0.2}, "client_ids", NO, WriteStrategy.SEARCH_THEN_CREATE),
        ({"ignores": frozenset({"if-none-exist"})}, "if_none_exist", NO, WriteStrategy.OUR_ID),
        ({"search_lag": 0.2}, "if_none_exist", PARTLY, WriteStrategy.OUR_ID),
        (
            {"search_lag": 0.2, "client_ids": False},
            "conditional_update",
            NO,
            WriteStrategy.SEARCH_THEN_CREATE,
        ),
        ({"search_lag": 5.0, "client_ids": False}, "search_lag", NO, WriteStrategy.NONE),
        ({"keeps": _first_letter_of_decimals}, "decimals", NO, WriteStrategy.OUR_ID),
        ({"kinds": ("DocumentReference",)}, "decimals", YES, WriteStrategy.OUR_ID),
    ],
)
def test_what_a_server_does_not_honour_is_found_out_though_it_claims_it(
    switches: dict[str, Any], name: str, expected: Honoured, strategy: WriteStrategy
) -> None:
    with stub_server(**switches) as server:
        found = probed(server.address)
        remains = everything(server)
    assert honoured(found)[name] is expected, found.find(name)
    assert found.choice is not None
    assert found.choice.strategy is strategy, found.choice
    assert remains == []


def test_reading_only_writes_nothing() -> None:
    with stub_server() as server, FaultProxy(server.address) as proxy:
        found = probed(proxy.address, read_only=True)
        assert {s.method for s in proxy.seen if "_search" not in s.path} == {"GET"}
    assert found.choice is None
    assert "client_ids" not in honoured(found)
    assert honoured(found)["unknown_parameter"] is YES


@pytest.mark.parametrize("number", [9, 14, 20, 26])
def test_what_was_made_is_removed_when_an_answer_is_lost(number: int) -> None:
    """The EHR stores it, and we never learn under which id."""

    def lose(call: Call) -> InjectedFault | None:
        lost = call.number == number
        return InjectedFault("lost", reset_after=True) if lost else None

    with stub_server(client_ids=False) as server, FaultProxy(server.address, lose) as proxy:
        found = probed(proxy.address)
        assert [s.fault for s in proxy.seen].count("lost") == 1
        assert everything(server) == []
    assert found.remains == []


@pytest.mark.promise("P19")
@pytest.mark.parametrize("breaks", [KeyboardInterrupt, RuntimeError])
def test_what_was_made_is_removed_when_it_is_broken_off(
    breaks: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    original: Callable[..., Any] = ProbeSession.send_bundle

    def broken(self: ProbeSession, *arguments: Any) -> Any:
        original(self, *arguments)
        written.extend(self.created)
        raise breaks

    monkeypatch.setattr(ProbeSession, "send_bundle", broken)
    with stub_server() as server:
        with pytest.raises(breaks):
            probed(server.address)
        assert len(written) > 5
        assert everything(server) == []


@pytest.mark.promise("P19")
def test_what_cannot_be_removed_is_named() -> None:
    with stub_server(deletes=False) as server:
        result = CliRunner().invoke(commands, ["probe", server.address, "--search-timeout", "0.3"])
        remains = everything(server)
    assert result.exit_code == LEFT_BEHIND
    assert remains
    assert all(f"could not be removed: {one}\n" in result.stderr for one in remains)


def test_the_command_says_the_same_in_words_and_as_json() -> None:
    with stub_server(client_ids=False) as server:
        words = CliRunner().invoke(commands, ["probe", server.address])
        values = json.loads(CliRunner().invoke(commands, ["probe", server.address, "--json"]).stdout)
    assert words.exit_code == 0
    assert "We would write by: conditional_update, because" in words.stdout
    assert "not our_id: PUT under a new id of ours is refused with 405" in words.stdout
    assert values["write_strategy"]["way"] == "conditional_update"
    assert values["write_strategy"]["refused"] == {"our_id": "PUT under a new id of ours is refused with 405"}
    assert {"name", "title", "honoured", "seen", "seconds", "claimed"} == values["probes"][0].keys()
    assert values["left_behind"] == []


def _not_r4(body: bytes) -> bytes:
    return body.replace(b'"fhirVersion":"4.0.1"', b'"fhirVersion":"3.0.2"')


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (InjectedFault("R3", override_body=_not_r4), "does not speak FHIR R4"),
        (InjectedFault("HTML", override_body=lambda _: b"<html>"), "is not the FHIR answer it should be"),
        (InjectedFault("403", status=403), "does not show its CapabilityStatement"),
        (InjectedFault("gone", reset_before=True), "did not arrive whole"),
    ],
)
def test_what_is_no_fhir_r4_server_is_said_in_one_line(fault: InjectedFault, message: str) -> None:
    with stub_server() as server, FaultProxy(server.address, lambda _: fault) as proxy:
        result = CliRunner().invoke(commands, ["probe", proxy.address])
    assert result.exit_code == COULD_NOT_PROBE
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("This server could not be probed: ")
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "url", ["foo", "ftp://x/", "http://user:word@127.0.0.1/fhir", "http://127.0.0.1:99999/"]
)
def test_what_is_no_address_is_not_called(url: str) -> None:
    result = CliRunner().invoke(commands, ["probe", url])
    assert result.exit_code == 2
    assert "URL is not an http or https address without a user name" in result.stderr


def test_what_it_makes_can_be_known_by_its_identifier() -> None:
    with stub_server() as server, FaultProxy(server.address) as proxy:
        probed(proxy.address)
        bodies = [body for body in proxy.written_bodies() if body]
    assert len(bodies) > 15
    assert all(SYSTEM.encode() in body for body in bodies)


@pytest.mark.promise("P19")
@pytest.mark.hapi
def test_hapi_is_seen_as_it_is(hapi: Any) -> None:
    """Each line that shapes what we do there; found out by hand before, in docs/research/hapi-behaviour.md."""
    found = probed(hapi.base_url, search_timeout=10.0)
    seen = honoured(found)
    assert found.remains == []
    assert found.choice is not None
    assert found.choice.strategy is WriteStrategy.OUR_ID
    for name in (
        "client_ids",
        "if_match",
        "if_none_exist",
        "conditional_update",
        "decimals",
        "dates",
        "transaction",
    ):
        assert seen[name] is YES, found.find(name)
    assert (seen["if_none_match"], seen["caching"], seen["tags"]) == (NO, PARTLY, PARTLY)
    assert seen["batch"] is YES, found.find("batch")
