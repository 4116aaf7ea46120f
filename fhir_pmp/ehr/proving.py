"""Proves a destination's ways of writing at the start and once a day, and refuses those it does not honour."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.destinations import Destination
from fhir_pmp.ehr.probing.run import PATIENCE, prove
from fhir_pmp.ehr.proof import HONOURED, Proof, read_proof, write_proof
from fhir_pmp.errors import Refused
from fhir_pmp.store import Store

OF_THIS_START = timedelta(minutes=5)
"""A proof that another process made so shortly ago is good for this process's start as well."""


class NoSafeWay(Refused):
    """The destination's server honours no way of writing that is safe. Its team mends it, or another way is named."""


class Prover:
    """Proves destinations for one process; what was found is kept in the store for all of them."""

    def __init__(self, store: Store, *, patience: float = PATIENCE) -> None:
        self._store = store
        self._patience = patience
        self._begun = False

    def prove(
        self,
        client: EhrClient,
        destination: Destination,
        statement: Mapping[str, Any],
        now: datetime,
    ) -> Proof:
        """The proof to go by. Raises NoSafeWay that says what is refused and why, NothingToProbeWith, WireFailure."""
        proof = self._kept(destination, now)
        if proof is None:
            proof = prove(client, destination, statement, now, patience=self._patience)
            self._keep(destination, proof)
        self._begun = True
        refusal = _refusal(destination, proof)
        if refusal:
            raise NoSafeWay(refusal)
        return proof

    def _kept(self, destination: Destination, now: datetime) -> Proof | None:
        with self._store.read() as books:
            kept = books.proofs.find(destination.id)
        proof = read_proof(*kept) if kept is not None else None
        if proof is None or proof.is_old(now):
            return None
        if now - proof.at < OF_THIS_START:
            return proof
        if _refusal(destination, proof):
            return None  # its team may have mended it
        # At the start of a process it is proven anew: the server may be another one since.
        return proof if self._begun or proof.left else None

    def _keep(self, destination: Destination, proof: Proof) -> None:
        with self._store.begin_beside() as books:
            books.proofs.keep(destination.id, proof.at, write_proof(proof))
        structlog.get_logger().info(
            "proven",
            destination=destination.id,
            kind=", ".join(way.value for way, why in proof.ways.items() if why == HONOURED) or "nothing",
            resource_type=proof.kind,
            count=len(proof.left),
        )


def _refusal(destination: Destination, proof: Proof) -> str:
    """Why nothing can be written there; empty where it can."""
    named = destination.strategy
    if named is not None and not proof.honours(named):
        return f"{named.value}, which its file names, is refused: {proof.ways[named]}"
    if HONOURED not in proof.ways.values():
        return f"no way of writing is safe there ({proof.refused})"
    return ""
