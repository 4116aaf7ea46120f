"""The web process as it runs: a real socket, requests side by side, and a stop that finishes what runs."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_pmp.identifiers import ClientId
from fhir_pmp.store import Store
from fhir_pmp.store.access.clients import ClientKind
from fhir_pmp.web.access.tokens import new_token, token_hash
from tests.integration.web.sample_referral import referral_bundle
from tests.integration.web.web_harness import START

ROOT = Path(__file__).parents[3]
SERVE = "from fhir_pmp.app import serve; from fhir_pmp.settings import Settings; serve(Settings.from_environment())"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class _Served:
    """One `serve` process."""

    def __init__(self, url: str, log: Path, **settings: str) -> None:
        self.port = _free_port()
        self._log = log
        environment = {
            **os.environ,
            "FHIR_PMP_DATABASE_URL": url,
            "FHIR_PMP_CANONICAL_BASE": "https://clinic.example/fhir",
            "FHIR_PMP_ID_SECRET": "0123456789abcdef0123456789abcdef",
            "FHIR_PMP_SECRET_KEY": "fedcba9876543210fedcba9876543210",
            "FHIR_PMP_CLINIC_ZONE": "Australia/Sydney",
            "FHIR_PMP_LISTEN": f"127.0.0.1:{self.port}",
            "FHIR_PMP_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            **settings,
        }
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE], cwd=ROOT, env=environment, stdout=output, stderr=output
            )

    def wait_until_alive(self) -> "_Served":
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.get("/health/ready")[0] == 200:
                    return self
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"it did not start: {self.read_output()[-2000:]}")

    def get(self, path: str, token: str | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def read_output(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def url(tmp_path: Path, migrated_file: Path) -> str:
    # SQLite: the PostgreSQL of the tests is set up to forget, and `serve` refuses such a one.
    (tmp_path / "store.db").write_bytes(migrated_file.read_bytes())
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def served(url: str, tmp_path: Path) -> Iterator[_Served]:
    served = _Served(url, tmp_path / "log").wait_until_alive()
    yield served
    if served.process.poll() is None:
        served.process.kill()
        served.process.wait(30)


@pytest.fixture
def token(url: str) -> str:
    return _register(url, "ehr", ClientKind.EHR)


def _register(url: str, name: str, kind: ClientKind) -> str:
    token, store = new_token(), Store(url)
    with store.begin() as uow:
        uow.clients.add(ClientId(name), name=name, kind=kind, token_hash=token_hash(token), now=START)
    store.close()
    return token


def test_it_serves_over_a_socket_and_ends_when_told(served: _Served, token: str) -> None:
    assert served.get("/fhir/metadata")[0] == 200
    assert served.get("/fhir/Questionnaire?_count=1")[0] == 401
    assert served.get("/fhir/Questionnaire?_count=1", token)[0] == 200
    assert served.stop() == 0
    assert token not in served.read_output()
    with pytest.raises(OSError):
        served.get("/health/ready")


@pytest.mark.promise("P5")
def test_requests_that_run_when_it_is_told_to_stop_are_finished(
    served: _Served, token: str, url: str
) -> None:
    # While this transaction holds the one writer, the audit of a request waits for it, and the request with it.
    store, answers = Store(url), list[int]()
    asking = [
        threading.Thread(target=lambda: answers.append(served.get("/fhir/Questionnaire", token)[0]))
        for _ in range(4)
    ]
    with store.begin():
        for thread in asking:
            thread.start()
        time.sleep(1.0)
        assert answers == []
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert served.process.poll() is None
    store.close()
    for thread in asking:
        thread.join(30)
    assert answers == [200] * 4
    assert served.process.wait(60) == 0


@pytest.mark.promise("P8")
def test_every_answer_given_over_the_socket_stands_in_the_audit(
    served: _Served, token: str, url: str
) -> None:
    threads = [
        threading.Thread(
            target=lambda: [served.get("/fhir/Questionnaire?_count=1", token) for _ in range(10)]
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    store = Store(url)
    with store.read() as uow:
        rows = [row for _, row in uow.audit.list_all() if row.who == "client:ehr"]
    store.close()
    assert len(rows) == 80
    assert len({row.request_id for row in rows}) == 80


def test_a_body_is_refused_before_it_is_sent(served: _Served) -> None:
    # A caller nobody knows announces 5 MB and sends the first bytes: the answer is there all the same.
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as caller:
        caller.sendall(
            f"POST /fhir HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nContent-Length: 5000000\r\n"
            "Content-Type: application/fhir+json\r\n\r\n{".encode()
        )
        assert caller.recv(100).startswith(b"HTTP/1.1 401")


def test_a_body_in_chunks_is_taken_whole_or_refused_as_too_large(served: _Served, url: str) -> None:
    token = _register(url, "practice", ClientKind.PRACTICE)
    good = json.dumps(referral_bundle("a")).encode()
    assert _send_chunks(served, "/fhir", token, [good[:50], good[50:]]) == 200
    # The first 5 MB of it are white space before a good Bundle: cut off at the cap it would be something else.
    assert _send_chunks(served, "/fhir", token, [b" " * 1_000_000] * 6 + [good]) == 413
    assert _send_chunks(served, "/login", None, [b"csrf_token=x"]) in (403, 411)


def _send_chunks(served: _Served, path: str, token: str | None, chunks: list[bytes]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    kind = "application/fhir+json" if token else "application/x-www-form-urlencoded"
    headers = {"Content-Type": kind, "Transfer-Encoding": "chunked"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request("POST", path, body=iter(chunks), headers=headers, encode_chunked=True)
    status = connection.getresponse().status
    connection.close()
    return status


def test_it_does_not_start_with_another_id_secret_or_on_an_empty_database(
    served: _Served, url: str, tmp_path: Path
) -> None:
    assert served.stop() == 0
    for given, settings in (
        (url, {"FHIR_PMP_ID_SECRET": "another secret of thirty-two bytes"}),
        (f"sqlite:///{tmp_path / 'empty.db'}", {}),
    ):
        wrong = _Served(given, tmp_path / "wrong", **settings)
        assert wrong.process.wait(60) != 0
        assert ("WrongIdSecret" if settings else "NotMigrated") in wrong.read_output()
