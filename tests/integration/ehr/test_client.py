"""The wire to an EHR: limits on time, size and connections, one origin, no redirect, no retry."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fhir_pmp.ehr.capability.server_capability import NotR4, fetch_statement, read_capability
from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.ehr.transport.client import EhrClient, Limits
from fhir_pmp.ehr.transport.response_class import (
    NothingSent,
    NotReadable,
    OffOrigin,
    TooLong,
    TooSlow,
    WireFailure,
)
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault
from tests.integration.ehr.sample_resources import NOW
from tests.integration.ehr.sync_harness import destination
from tests.stub_ehr.process import StubProcess, stub_ehr


@pytest.fixture(scope="module")
def stub() -> Iterator[StubProcess]:
    """A stub for the whole file: nothing is written to it."""
    with stub_ehr() as process:
        yield process


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[EhrClient]:
    """A client with short limits."""
    limits = Limits(connect=1.0, between_bytes=1.0, whole_call=2.0, answer_bytes=200_000)
    with EhrClient(proxy.address, connections=3, limits=limits) as client:
        yield client


def test_nobody_listening_means_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with EhrClient(f"http://127.0.0.1:{port}/fhir") as client, pytest.raises(NothingSent):
        client.ask("GET", "metadata")


def test_a_name_that_does_not_resolve_means_that_nothing_was_sent() -> None:
    with EhrClient("http://no-such-ehr.invalid/fhir") as client, pytest.raises(NothingSent):
        client.ask("GET", "metadata")


@pytest.mark.parametrize(
    "fault",
    [
        InjectedFault("reset before", reset_before=True),
        InjectedFault("reset after", reset_after=True),
        InjectedFault("truncated", truncate_to=100),
    ],
    ids=lambda fault: fault.name,
)
def test_a_broken_answer_is_unknown_and_not_asked_again(
    client: EhrClient, proxy: FaultProxy, fault: InjectedFault
) -> None:
    proxy.plan = lambda _: fault
    with pytest.raises(WireFailure) as failure:
        client.ask("GET", "metadata")
    assert type(failure.value) is WireFailure
    assert len(proxy.seen) == 1


@pytest.mark.parametrize(
    ("fault", "longest"),
    [(InjectedFault("silent", wait_after=4.0), 1.8), (InjectedFault("drips", drip_seconds=0.2), 2.8)],
    ids=["silent", "a byte now and then"],
)
def test_a_slow_answer_ends_at_the_limit(
    client: EhrClient, proxy: FaultProxy, fault: InjectedFault, longest: float
) -> None:
    proxy.plan = lambda _: fault
    began = time.monotonic()
    with pytest.raises(TooSlow):
        client.ask("GET", "metadata")
    assert time.monotonic() - began < longest


def test_dripping_headers_end_at_the_limit_too() -> None:
    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.recv(65536)
        try:
            for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 100:
                connection.sendall(bytes([letter]))
                time.sleep(0.1)
        except OSError:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, args=[server], daemon=True).start()
        limits = Limits(connect=1.0, between_bytes=1.0, whole_call=1.0)
        with EhrClient(f"http://127.0.0.1:{server.getsockname()[1]}/fhir", limits=limits) as client:
            began = time.monotonic()
            with pytest.raises(TooSlow):
                client.ask("GET", "metadata")
            assert time.monotonic() - began < 1.8


def test_after_a_slow_answer_the_next_call_is_a_call_like_any_other(
    client: EhrClient, proxy: FaultProxy
) -> None:
    proxy.plan = lambda call: InjectedFault("drips", drip_seconds=0.2) if call.number == 1 else None
    with pytest.raises(TooSlow):
        client.ask("GET", "metadata")
    time.sleep(0.1)
    assert [client.ask("GET", "metadata").status for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "a bomb"])
def test_a_larger_answer_than_the_limit_is_not_read(
    client: EhrClient, proxy: FaultProxy, packed: bool
) -> None:
    body = b" " * 50_000_000 if packed else b" " * 300_000
    headers = {"Content-Encoding": "gzip"} if packed else {}
    body = gzip.compress(body) if packed else body
    proxy.plan = lambda _: InjectedFault("large", status=200, status_headers=headers, status_body=body)
    with pytest.raises(TooLong):
        client.ask("GET", "metadata")


def test_a_redirect_is_an_answer_and_nobody_follows_it(
    client: EhrClient, proxy: FaultProxy, stub: StubProcess
) -> None:
    elsewhere = {"Location": f"{stub.address}/metadata"}
    proxy.plan = lambda _: InjectedFault("elsewhere", status=307, status_headers=elsewhere)
    assert client.ask("GET", "metadata").status == 307
    assert len(proxy.seen) == 1


@pytest.mark.parametrize(
    "address",
    [
        "https://ehr.example.evil.test/fhir/Patient",
        "https://ehr.example:8443/fhir/Patient",
        "http://ehr.example/fhir/Patient",
        "https://ehr.example@evil.test/fhir",
        "https://user:secret@ehr.example/fhir",
        "//evil.test/fhir",
        "ftp://ehr.example/fhir",
        "https://ehr.example:99999/fhir",
    ],
)
def test_an_address_off_the_origin_is_never_asked(address: str) -> None:
    with EhrClient("https://ehr.example/fhir") as client, pytest.raises(OffOrigin):
        client.ask("GET", address)


def test_an_address_on_the_origin_is_followed(client: EhrClient, proxy: FaultProxy) -> None:
    assert client.ask("GET", f"{proxy.address}?_getpages=none").status == 410


def test_the_environment_names_no_proxy(
    client: EhrClient, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert client.ask("GET", "metadata").status == 200


@pytest.mark.promise("P7")
def test_no_more_connections_than_agreed_are_open_at_once(client: EhrClient, proxy: FaultProxy) -> None:
    lock, at_once, most = threading.Lock(), 0, 0

    def come() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)

    def go() -> None:
        nonlocal at_once
        time.sleep(0.05)
        with lock:
            at_once -= 1

    proxy.plan = lambda _: InjectedFault("counted", before_upstream=come, after_upstream=go)
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: client.ask("GET", "Patient/nobody").status, range(24)))
    assert statuses == [404] * 24
    assert most == 3


def test_the_capability_statement_decides_the_way_of_writing(stub: StubProcess) -> None:
    with EhrClient(stub.address) as client:
        capability = read_capability(fetch_statement(client, NOW), NOW)
    assert capability.transaction
    from_statement = destination(strategy=None)
    # HAPI does not say that it takes ids of ours: what it says leads to a conditional update.
    assert capability.strategy(from_statement, "Observation") is WriteStrategy.CONDITIONAL_UPDATE
    assert capability.strategy(destination(), "Observation") is WriteStrategy.OUR_ID
    assert capability.strategy(destination(), "Appointment") is WriteStrategy.NONE


@pytest.mark.parametrize(
    ("body", "raised"),
    [
        (b'{"resourceType":"CapabilityStatement","fhirVersion":"5.0.0"}', NotR4),
        (b'{"resourceType":"Patient"}', NotReadable),
        (b"<html>", NotReadable),
        (b"", NotReadable),
    ],
)
def test_what_is_no_statement_of_an_r4_server_is_refused(
    client: EhrClient, proxy: FaultProxy, body: bytes, raised: type[Exception]
) -> None:
    proxy.plan = lambda _: InjectedFault("other", status=200, status_body=body)
    with pytest.raises(raised):
        read_capability(fetch_statement(client, NOW), NOW)
