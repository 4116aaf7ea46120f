"""Answers that are bombs, and certificates that are not the destination's: a bounded call, and a stated result."""

import gzip
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from fhir_pmp.ehr.transport.client import EhrClient, Limits
from fhir_pmp.ehr.transport.response_class import TooLong
from tests.fault_injection.certificates import DAY, CertificateAuthority, stub_with_certificate
from tests.fault_injection.fault_proxy import InjectedFault, first_where, is_write_containing
from tests.faults.fault_scenario import FaultScenario
from tests.integration.ehr.sample_resources import publish_people
from tests.integration.ehr.sync_harness import SyncHarness

MEGABYTE = 1024 * 1024
LIMITS = Limits(connect=2.0, between_bytes=5.0, whole_call=20.0, answer_bytes=MEGABYTE)
GZIP = {"Content-Encoding": "gzip"}
BOMBS: dict[str, Callable[[], InjectedFault]] = {
    "10 MB": lambda: InjectedFault(
        "bomb", override_body=lambda _: b'{"x":"' + b"y" * (10 * MEGABYTE) + b'"}'
    ),
    "10 MB that never end": lambda: InjectedFault("bomb", override_body=lambda _: b"[" * (10 * MEGABYTE)),
    "a gzip bomb": lambda: InjectedFault(
        "bomb", override_body=lambda _: gzip.compress(b"[" * (200 * MEGABYTE), 1), add=GZIP
    ),
    "a gzip bomb in a gzip bomb": lambda: InjectedFault(
        "bomb",
        override_body=lambda _: gzip.compress(gzip.compress(b"[" * (200 * MEGABYTE), 1), 1),
        add={"Content-Encoding": "gzip, gzip"},
    ),
    "what is no gzip": lambda: InjectedFault("bomb", override_body=lambda _: b"[" * 1000, add=GZIP),
    "brackets in brackets": lambda: InjectedFault("bomb", override_body=lambda _: b"[" * 500_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_for_an_answer_is_unknown_and_settled_later_once(scenario: FaultScenario, name: str) -> None:
    scenario.publish_people(1, after=5)
    scenario.harness.push_until_quiet()
    scenario.set_call_limits(LIMITS)
    scenario.publish_people()
    text = f"score-{scenario.first}-1".encode()
    scenario.proxy.plan = first_where(is_write_containing(text), BOMBS[name]())
    scenario.harness.push()
    waiting = {
        (d.state.value, d.may_have_arrived) for d in scenario.harness.deliveries() if d.state.value != "sent"
    }
    assert waiting == {("pending", True)}
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once(versions=1)


def test_a_bomb_that_never_ends_is_dead_at_the_age_limit_and_a_person_is_told(
    scenario: FaultScenario,
) -> None:
    scenario.publish_people(1)
    scenario.harness.push_until_quiet()
    scenario.set_call_limits(LIMITS)
    scenario.correct_scores(ks=(1,))
    bomb = BOMBS["10 MB"]()
    scenario.proxy.plan = lambda _: bomb
    for hours in (0, 30, 30, 30):
        scenario.harness.later(hours=hours)
        scenario.harness.push()
    assert scenario.newest_delivery().state.value == "dead"
    assert len(scenario.harness.work_items()) == 1
    assert scenario.ehr.versions(scenario.score_reference) == 2, "it had arrived: a person finds that out"


@pytest.mark.promise("P7")
def test_a_gzip_bomb_takes_no_more_memory_than_an_answer_may(scenario: FaultScenario) -> None:
    bomb = gzip.compress(b"[" * (200 * MEGABYTE), 1)
    scenario.proxy.plan = lambda _: InjectedFault("bomb", override_body=lambda _: bomb, add=GZIP)
    with EhrClient(scenario.proxy.address, limits=LIMITS) as client:
        tracemalloc.start()
        with pytest.raises(TooLong):
            client.ask("GET", "metadata")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 20 * MEGABYTE


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CertificateAuthority:
    """An authority that this process trusts."""
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setattr("requests.utils.DEFAULT_CA_BUNDLE_PATH", str(authority.file))
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(authority.file))
    return authority


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    ("host", "until"),
    [("127.0.0.1", timedelta(days=-1)), ("another-host.example", DAY), ("127.0.0.2", DAY)],
    ids=["expired", "of another host", "of another address"],
)
def test_a_certificate_that_is_not_valid_pauses_and_alarms_and_is_never_waved_through(
    scenario: FaultScenario, authority: CertificateAuthority, host: str, until: timedelta
) -> None:
    publish_people(scenario.store, 2)
    with stub_with_certificate(authority.sign(host, until=until)) as (address, stored_records):
        with SyncHarness(scenario.store, address) as harness:
            for _ in range(5):
                harness.push()
                harness.later(minutes=10)
        assert list(stored_records.all_versions()) == []
    (item,) = scenario.harness.work_items()
    assert (item.kind, item.role) == ("destination_paused", "administrator")
    with scenario.store.read() as uow:
        assert uow.breakers.get(scenario.harness.destination.id).state == "paused"
    assert {(d.state.value, d.attempts) for d in scenario.harness.deliveries()} == {("pending", 0)}


def test_a_certificate_of_nobody_we_know_pauses_and_alarms(scenario: FaultScenario, tmp_path: Path) -> None:
    publish_people(scenario.store, 1)
    with stub_with_certificate(CertificateAuthority(tmp_path).sign("127.0.0.1")) as (address, stored_records):
        with SyncHarness(scenario.store, address) as harness:
            harness.push()
        assert list(stored_records.all_versions()) == []
    assert [item.kind for item in scenario.harness.work_items()] == ["destination_paused"]


def test_what_has_a_valid_certificate_is_delivered_to(
    scenario: FaultScenario, authority: CertificateAuthority
) -> None:
    publish_people(scenario.store, 1)
    with (
        stub_with_certificate(authority.sign("127.0.0.1")) as (address, stored_records),
        SyncHarness(scenario.store, address) as harness,
    ):
        harness.push_until_quiet()
        assert len(list(stored_records.all_versions())) == 9
    assert scenario.harness.work_items() == []
