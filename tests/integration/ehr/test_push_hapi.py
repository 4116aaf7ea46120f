"""The push against the real EHR: what was sent is there once and equal, whatever happens on the way."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from fhir_pmp.ehr.config.destinations import PatientOwnership, WriteStrategy
from fhir_pmp.store import Store
from fhir_pmp.store.delivery.deliveries import DeliveryState
from tests.ehr_comparison import ComparisonReport, check, latest_sent_by_key
from tests.fault_injection.fault_proxy import FaultProxy
from tests.hapi.server import HapiServer
from tests.integration.ehr.sample_resources import (
    MEDICARE,
    publish,
    publish_people,
    questionnaire_response,
    score,
)
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness, destination


@pytest.fixture
def first() -> int:
    """The number of this test's first person: others use the same HAPI."""
    return secrets.randbelow(10**9)


@pytest.fixture
def hapi_proxy(hapi: HapiServer) -> Iterator[FaultProxy]:
    """A proxy before HAPI."""
    with FaultProxy(hapi.base_url) as proxy:
        yield proxy


@pytest.fixture
def to_hapi(store: Store, hapi_proxy: FaultProxy) -> Iterator[SyncHarness]:
    """Our side, pushing to HAPI through the proxy."""
    with SyncHarness(store, hapi_proxy.address, connections=4) as harness:
        yield harness


def checked(harness: SyncHarness, hapi: HapiServer) -> ComparisonReport:
    """HAPI, walked page by page, against the bytes last sent."""
    with harness.store.read() as uow:
        deliveries = uow.deliveries.list_all(states=[DeliveryState.SENT], limit=100_000)
        rows = [(d.type, d.id, d.version, uow.deliveries.sent_bytes(d.seq) or b"") for d in deliveries]
    return check(hapi.base_url, latest_sent_by_key(sorted(rows)))


@pytest.mark.promise("P2")
def test_everything_is_there_once_and_equal_and_a_repeat_sends_nothing(
    to_hapi: SyncHarness, hapi: HapiServer, hapi_proxy: FaultProxy, first: int
) -> None:
    publish_people(to_hapi.store, 4, first=first)
    # A HAPI that was just started answers 500 to some of the first transactions that meet: they are sent again.
    assert to_hapi.push_until_quiet()["sent"] == 33
    report = checked(to_hapi, hapi)
    assert report.is_clean, str(report)
    assert report.found["Observation"] == 12
    publish(to_hapi.store, [score(first, 1, "5.00", status="amended")])
    assert to_hapi.push().counts == {"sent": 1}
    assert checked(to_hapi, hapi).is_clean
    calls = len(hapi_proxy.seen)
    assert to_hapi.push().counts == {}
    assert len(hapi_proxy.seen) == calls


def test_the_hospitals_patients_keep_the_ids_that_hapi_gave_them(
    to_hapi: SyncHarness, hapi: HapiServer, first: int
) -> None:
    to_hapi.destination = destination(PatientOwnership.THEIRS)
    theirs = []
    for n in (first, first + 1):
        patient = {
            "resourceType": "Patient",
            "identifier": [{"system": MEDICARE, "value": f"m{n}"}],
            "birthDate": "1970-01-02",
        }
        response = EhrObserver(hapi.base_url).ask("POST", "Patient", patient)
        theirs.append(f"Patient/{response.json()['id']}")
    publish_people(to_hapi.store, 3, first=first)
    assert to_hapi.push().counts == {"sent": 1 + 2 * 7, "not_wanted": 2, "waiting": 8}
    there = EhrObserver(hapi.base_url)
    assert there.get(f"Observation/score-{first}-1")["subject"]["reference"] == theirs[0]
    assert there.get(f"QuestionnaireResponse/response-{first + 1}-1")["subject"]["reference"] == theirs[1]
    assert [there.versions(place) for place in theirs] == [1, 1]
    assert checked(to_hapi, hapi).is_clean


@pytest.mark.parametrize("strategy", [WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE])
def test_ids_that_hapi_gives_are_referred_to(
    to_hapi: SyncHarness, hapi: HapiServer, first: int, strategy: WriteStrategy
) -> None:
    to_hapi.destination = destination(strategy=strategy)
    publish_people(to_hapi.store, 2, first=first)
    assert to_hapi.push().counts["sent"] == 17
    publish(to_hapi.store, [score(first, 1, "5.00"), questionnaire_response(first, 1, status="amended")])
    assert to_hapi.push().counts == {"sent": 2}
    report = checked(to_hapi, hapi)
    assert report.is_clean, str(report)


def test_one_refused_entry_does_not_hold_the_others_hostage(
    to_hapi: SyncHarness, hapi: HapiServer, first: int
) -> None:
    publish_people(to_hapi.store, 1, first=first)
    publish(to_hapi.store, [questionnaire_response(first, 2, status="finished")])
    assert to_hapi.push().counts == {"sent": 7, "dead": 1, "waiting": 1}
    publish(to_hapi.store, [questionnaire_response(first, 2, status="amended")])
    assert to_hapi.push().counts == {"sent": 2}
    assert checked(to_hapi, hapi).is_clean


@pytest.mark.promise("P1")
@pytest.mark.slow
@pytest.mark.usefixtures("hapi")  # where it cannot be started this test is counted as that fixture's
def test_hapi_stopped_and_started_in_the_middle_loses_nothing(store: Store, tmp_path: Path) -> None:
    server = HapiServer(tmp_path / "hapi").start()
    try:
        with SyncHarness(store, server.base_url, connections=2) as harness:
            publish_people(store, 4)
            harness.push_until_quiet()
            server.stop()
            with pytest.raises(requests.ConnectionError):
                requests.get(f"{server.base_url}/metadata", timeout=5)
            publish(store, [score(n, 1, "5.00") for n in range(1, 5)])
            harness.push()
            assert harness.states()["pending"] == 4
            server.start()
            harness.push_until_quiet()
            report = checked(harness, server)
            assert report.is_clean, str(report)
            assert EhrObserver(server.base_url).versions("Observation/score-1-1") == 2
    finally:
        server.stop()
