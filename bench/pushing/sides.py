"""Both sides of the comparison, each into a HAPI of its own, fresh and warmed up in the same way."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from bench.house import clock
from bench.pushing.cohort import Bundles, copy_of, destination, unsent
from fhir_pmp.ehr.client import FHIR_JSON, EhrClient
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.push import Push
from fhir_pmp.store import Store
from tests.hapi.server import HapiServer

TIMES = 5
"""How often the bare loop posts a Bundle that HAPI answers with 409 or 5xx: its threads race one another."""


@contextmanager
def warm_hapi(warm_up: Bundles) -> Iterator[str]:
    """The address of a HAPI on an H2 file that holds nothing but the warm-up: other people under other ids."""
    with TemporaryDirectory(prefix="bench-hapi-") as folder, HapiServer(Path(folder)) as server:
        requests.get(f"{server.base_url}/metadata", timeout=60).raise_for_status()
        pour(server.base_url, warm_up, 4)
        yield server.base_url


def push(base: str, database: Path, connections: int) -> float:
    """Seconds in which our push sends everything that waits in a copy of this database."""
    store = Store(f"sqlite:///{copy_of(database, database.with_suffix('.push.sqlite'))}")
    client = EhrClient(base, connections=connections)
    pushing = Push(store, Neighbour(destination(), client), clock)
    began = time.perf_counter()
    pushing.run()
    while unsent(store):
        time.sleep(0.2)  # something was put back and is due in a while
        pushing.run()
    taken = time.perf_counter() - began
    client.close()
    store.close()
    return taken


def pour(base: str, bundles: Bundles, connections: int) -> float:
    """Seconds in which a bare loop posts the Bundles, the definitions first."""
    began = time.perf_counter()
    _post_all(base, bundles.definitions)
    with ThreadPoolExecutor(connections) as pool:
        shares = [bundles.of_people[at::connections] for at in range(connections)]
        for done in [pool.submit(_post_all, base, share) for share in shares]:
            done.result()
    return time.perf_counter() - began


def _post_all(base: str, bodies: Sequence[bytes]) -> None:
    with requests.Session() as session:
        session.trust_env = False
        for body in bodies:
            for _ in range(TIMES):
                answer = session.post(base, body, headers={"Content-Type": FHIR_JSON}, timeout=120)
                if answer.status_code < 409:
                    break
            answer.raise_for_status()
