"""Opens the demo's EHR: its own HAPI FHIR, the tests' stub, or an external server."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from demo.progress import timed_step
from demo.run_folder import RunFolder
from tests.hapi.server import HapiServer
from tests.stub_ehr.process import stub_ehr

SECONDS = 60
IDS_AT_ONCE = 50


class NoFhirServer(Exception):
    """The address given does not answer as a FHIR server."""


@dataclass(frozen=True)
class Ehr:
    """A FHIR server, with the name that the report shows."""

    name: str
    base: str
    destination: str  # its id in fhir_pmp
    is_external: bool = False
    accepts_our_ids: bool = True

    def count(self, kind: str, ids: Collection[str]) -> int:
        """Asks the server how many resources of a type it holds.

        At an external server only the resources with our ids are counted.
        """
        if not self.is_external:
            return self._total(kind, "")
        listed = sorted(ids)
        chunks = (listed[at : at + IDS_AT_ONCE] for at in range(0, len(listed), IDS_AT_ONCE))
        return sum(self._total(kind, f"&_id={','.join(chunk)}") for chunk in chunks)

    def _total(self, kind: str, narrowed: str) -> int:
        answer = _read(f"{self.base}/{kind}?_summary=count&_total=accurate{narrowed}")
        return int(answer.get("total", 0))


@contextmanager
def open_ehr(asked: str, run_folder: RunFolder) -> Iterator[Ehr]:
    """Opens the EHR for the block. Raises DependencyMissing without Java or Maven, NoFhirServer."""
    if asked == "stub":
        with stub_ehr("--file", str(run_folder.folder / "stub.journal")) as process:
            yield Ehr("the stub EHR of the tests (not a real one)", process.address, "stub")
    elif asked == "hapi":
        server = HapiServer(run_folder.folder / "hapi")
        try:
            with timed_step("starting HAPI FHIR (the first time it is built, which fetches some 300 MB)"):
                server.start()
            yield Ehr("HAPI FHIR", server.base_url, "hapi")
        finally:
            server.stop()
    else:
        yield _external_ehr(asked.rstrip("/"))


def _external_ehr(base: str) -> Ehr:
    try:
        statement = _read(f"{base}/metadata")
        accepts_our_ids = _accepts_our_ids(statement)
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as failure:
        raise NoFhirServer(f"{base} does not answer as a FHIR server: {failure}") from None
    return Ehr(base, base, "elsewhere", is_external=True, accepts_our_ids=accepts_our_ids)


def _accepts_our_ids(statement: dict[str, Any]) -> bool:
    if statement["resourceType"] != "CapabilityStatement":
        raise ValueError("/metadata returned no CapabilityStatement")
    # HAPI accepts client ids although its statement does not say so.
    allows_update_create = [one.get("updateCreate") is True for one in statement["rest"][0]["resource"]]
    return "HAPI" in str(statement.get("software", {}).get("name")) or all(allows_update_create)


def _read(address: str) -> dict[str, Any]:
    headers = {"Accept": "application/fhir+json", "Cache-Control": "no-cache, no-store"}
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=SECONDS) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
