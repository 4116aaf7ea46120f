"""Runs our push and the bare loop, each against a fresh, warmed-up HAPI."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from bench.pushing.prepared_cohort import Bundles, copy_database, count_unsent, destination
from bench.service import clock
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.push.worker import PushWorker
from fhir_pmp.ehr.transport.client import FHIR_JSON, EhrClient
from fhir_pmp.store import Store
from tests.hapi.server import HapiServer

MAX_ATTEMPTS = 5
"""Attempts of the bare loop for a Bundle that HAPI answers with 409 or 5xx, as its threads conflict."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that one side took, and the processor seconds of it and HAPI together."""

    seconds: float
    cpu_seconds: float


def time_against_hapi(warm_up: Bundles, send: Callable[[str], None]) -> Timing:
    """Times `send` against a HAPI on an H2 file that holds only the warm-up.

    The warm-up has other people and ids.
    """
    with TemporaryDirectory(prefix="bench-hapi-") as folder, HapiServer(Path(folder)) as server:
        assert server.pid is not None
        requests.get(f"{server.base_url}/metadata", timeout=60).raise_for_status()
        post_bundles(server.base_url, warm_up, 4)
        began, cpu_began = time.perf_counter(), time.process_time() + _process_cpu_seconds(server.pid)
        send(server.base_url)
        cpu_seconds = time.process_time() + _process_cpu_seconds(server.pid) - cpu_began
        return Timing(time.perf_counter() - began, cpu_seconds)


def push(base: str, database: Path, connections: int) -> None:
    """Sends every unsent delivery of this database with our push."""
    store = Store(f"sqlite:///{database}")
    client = EhrClient(base, connections=connections)
    push_all(store, client)
    client.close()
    store.close()


def push_all(store: Store, client: EhrClient) -> int:
    """Pushes until nothing is unsent; returns how many deliveries this process sent."""
    pushing = PushWorker(store, EhrConnection(destination(), client), clock)
    sent = pushing.run().counts["sent"]
    while count_unsent(store):
        time.sleep(0.05)  # a delivery was put back and is due later, or another process holds it
        sent += pushing.run().counts["sent"]
    return sent


def post_bundles(base: str, bundles: Bundles, connections: int) -> None:
    """Posts the Bundles in a bare loop, the definitions first."""
    post_all(base, bundles.definitions)
    with ThreadPoolExecutor(connections) as pool:
        shares = [bundles.of_people[at::connections] for at in range(connections)]
        for done in [pool.submit(post_all, base, share) for share in shares]:
            done.result()


def post_all(base: str, bodies: Sequence[bytes]) -> None:
    """Posts the bodies in sequence over one connection; retries 409 and 5xx."""
    with requests.Session() as session:
        session.trust_env = False
        for body in bodies:
            for _ in range(MAX_ATTEMPTS):
                answer = session.post(base, body, headers={"Content-Type": FHIR_JSON}, timeout=120)
                if answer.status_code < 409:
                    break
            answer.raise_for_status()


def _process_cpu_seconds(process: int) -> float:
    """Returns the processor seconds of another process so far."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def time_push(warm_up: Bundles, database: Path, connections: int) -> Timing:
    """Pushes a copy of a queued database to a HAPI of its own."""
    unsent = copy_database(database, database.with_suffix(".ours.sqlite"))
    return time_against_hapi(warm_up, lambda base: push(base, unsent, connections))


def time_posting(warm_up: Bundles, bundles: Bundles, connections: int) -> Timing:
    """Posts ready Bundles to a HAPI of its own in a bare loop."""
    return time_against_hapi(warm_up, lambda base: post_bundles(base, bundles, connections))
