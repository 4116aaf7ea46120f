"""The EHR at the other end: a real HAPI FHIR that we start, the stub of our tests, or somebody else's server."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from demo.progress import step
from demo.workplace import Workplace
from tests.hapi.server import HapiServer
from tests.stub_ehr.process import stub_ehr

SECONDS = 60


@dataclass(frozen=True)
class Ehr:
    """A FHIR server, named in every line that counts."""

    name: str
    base: str
    is_elsewhere: bool = False

    def count(self, kind: str) -> int:
        """How many resources of a type it says it holds, asked anew."""
        address = f"{self.base}/{kind}?_summary=count&_total=accurate"
        request = urllib.request.Request(
            address, headers={"Accept": "application/fhir+json", "Cache-Control": "no-cache, no-store"}
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return int(json.load(answer).get("total", 0))


@contextmanager
def choose_ehr(asked: str, workplace: Workplace) -> Iterator[Ehr]:
    """The EHR for as long as the block runs. Raises PartMissing where Java or Maven is not there."""
    if asked == "stub":
        with stub_ehr("--file", str(workplace.folder / "stub.journal")) as process:
            yield Ehr("the stub EHR of our tests (not a real one)", process.address)
    elif asked == "hapi":
        server = HapiServer(workplace.folder / "hapi")
        with step("building HAPI FHIR if needed, and starting it"):
            server.start()
        try:
            yield Ehr("HAPI FHIR", server.base_url)
        finally:
            server.stop()
    else:
        yield Ehr(asked.rstrip("/"), asked.rstrip("/"), is_elsewhere=True)
