"""One destination as it stands before us: its file, the wire to it, and what its server says it can do."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock

from fhir_pmp.ehr.capability import Capability, fetch_statement, read_capability
from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.destinations import Destination, WriteStrategy
from fhir_pmp.ehr.drift import DriftWatch
from fhir_pmp.ehr.outcomes import WireFailure
from fhir_pmp.ehr.proving import Prover
from fhir_pmp.identifiers import DestinationId


@dataclass
class Neighbour:
    """A destination that can be called. Its CapabilityStatement is read once, and again a day later."""

    destination: Destination
    client: EhrClient
    prover: Prover | None = None  # None: what the server says of its ways of writing is believed
    drift: DriftWatch | None = None  # None: what the server made of ours is not looked at
    _capability: Capability | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def id(self) -> DestinationId:
        """The destination's id."""
        return self.destination.id

    @property
    def connections(self) -> int:
        """How many connections we open to it at most."""
        return min(self.client.connections, self.destination.connections or self.client.connections)

    @property
    def known(self) -> Capability | None:
        """What the server said it can do when it was last asked."""
        return self._capability

    def capability(self, now: datetime) -> Capability:
        """What the server can do. Raises what `fetch_statement` and `Prover.prove` raise, unless an older statement can stand in."""
        with self._lock:
            if self._capability is None:
                self._capability = self._fetch(now)
            elif self._capability.is_old(now):
                try:
                    self._capability = self._fetch(now)
                except WireFailure as failure:
                    # It is down: what it said yesterday lets its deliveries be tried and age, unless it says when.
                    if failure.after_seconds is not None:
                        raise
            return self._capability

    def _fetch(self, now: datetime) -> Capability:
        statement = fetch_statement(self.client, now)
        capability = read_capability(statement, now)
        if self.prover is None:
            return capability
        return replace(capability, proof=self.prover.prove(self.client, self.destination, statement, now))

    def forget_capability(self) -> None:
        """Reads it anew before the next push: the way of writing turned out to be wrong."""
        with self._lock:
            self._capability = None


def takes(destination: Destination, capability: Capability, kind: str) -> bool:
    """Whether resources of this type go there."""
    return destination.takes(kind) and capability.strategy(destination, kind) is not WriteStrategy.NONE
