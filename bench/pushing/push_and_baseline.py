"""Both sides of the comparison, each into a HAPI of its own, fresh and warmed up in the same way."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from bench.pushing.prepared_cohort import Bundles, count_unsent, destination
from bench.service import clock
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.push.worker import PushWorker
from fhir_pmp.ehr.transport.client import FHIR_JSON, EhrClient
from fhir_pmp.store import Store
from tests.hapi.server import HapiServer

MAX_ATTEMPTS = 5
"""How often the bare loop posts a Bundle that HAPI answers with 409 or 5xx: its threads race one another."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one side took, and the processor time of it and of HAPI together. Seconds."""

    seconds: float
    cpu_seconds: float


def time_against_hapi(warm_up: Bundles, send: Callable[[str], None]) -> Timing:
    """Sends to a HAPI on an H2 file that holds nothing but the warm-up: other people under other ids."""
    with TemporaryDirectory(prefix="bench-hapi-") as folder, HapiServer(Path(folder)) as server:
        assert server.pid is not None
        requests.get(f"{server.base_url}/metadata", timeout=60).raise_for_status()
        post_bundles(server.base_url, warm_up, 4)
        began, cpu_began = time.perf_counter(), time.process_time() + _process_cpu_seconds(server.pid)
        send(server.base_url)
        cpu_seconds = time.process_time() + _process_cpu_seconds(server.pid) - cpu_began
        return Timing(time.perf_counter() - began, cpu_seconds)


def push(base: str, database: Path, connections: int) -> None:
    """Our push sends everything that waits in this database."""
    store = Store(f"sqlite:///{database}")
    client = EhrClient(base, connections=connections)
    push_all(store, client)
    client.close()
    store.close()


def push_all(store: Store, client: EhrClient) -> int:
    """Pushes until nothing waits here, and returns how many deliveries this process sent."""
    pushing = PushWorker(store, EhrConnection(destination(), client), clock)
    sent = pushing.run().counts["sent"]
    while count_unsent(store):
        time.sleep(0.05)  # something was put back and is due in a while, or another process has it
        sent += pushing.run().counts["sent"]
    return sent


def post_bundles(base: str, bundles: Bundles, connections: int) -> None:
    """A bare loop posts the Bundles, the definitions first."""
    post_all(base, bundles.definitions)
    with ThreadPoolExecutor(connections) as pool:
        shares = [bundles.of_people[at::connections] for at in range(connections)]
        for done in [pool.submit(post_all, base, share) for share in shares]:
            done.result()


def post_all(base: str, bodies: Sequence[bytes]) -> None:
    """Posts these one after the other over one connection; a race or a 5xx is tried again."""
    with requests.Session() as session:
        session.trust_env = False
        for body in bodies:
            for _ in range(MAX_ATTEMPTS):
                answer = session.post(base, body, headers={"Content-Type": FHIR_JSON}, timeout=120)
                if answer.status_code < 409:
                    break
            answer.raise_for_status()


def _process_cpu_seconds(process: int) -> float:
    """The processor seconds of another process so far."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
