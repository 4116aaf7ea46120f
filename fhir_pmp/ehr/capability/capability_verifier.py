"""Verifies the write strategies of a destination at start and once a day.

A strategy that the server does not honour is refused.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from fhir_pmp.ehr.capability.probing.probe_run import PATIENCE, verify_strategies
from fhir_pmp.ehr.capability.verified_capability import (
    HONOURED,
    VerifiedCapability,
    parse_verified,
    serialize_verified,
)
from fhir_pmp.ehr.config.destinations import Destination
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.errors import Refused
from fhir_pmp.store import Store

FRESH_FOR_A_NEW_PROCESS = timedelta(minutes=5)
"""A proof that another process made so shortly ago is good for this process's start as well."""


class NoSafeWriteStrategy(Refused):
    """The destination's server honours no way of writing that is safe. Its team mends it, or another way is named."""


class CapabilityVerifier:
    """Verifies destinations for one process; the results are stored for all processes."""

    def __init__(self, store: Store, *, search_timeout: float = PATIENCE) -> None:
        self._store = store
        self._patience = search_timeout
        self._has_verified = False

    def verify_strategies(
        self,
        client: EhrClient,
        destination: Destination,
        statement: Mapping[str, Any],
        now: datetime,
    ) -> VerifiedCapability:
        """Returns the verification that decides how to write.

        Raises NoSafeWriteStrategy with each refusal and its reason, NoTypeToProbe, WireFailure.
        """
        verified = self._load_verified(destination, now)
        if verified is None:
            verified = verify_strategies(client, destination, statement, now, search_timeout=self._patience)
            self._store_verified(destination, verified)
        self._has_verified = True
        refusal = _refusal(destination, verified)
        if refusal:
            raise NoSafeWriteStrategy(refusal)
        return verified

    def _load_verified(self, destination: Destination, now: datetime) -> VerifiedCapability | None:
        with self._store.read() as uow:
            kept = uow.verifications.find(destination.id)
        verified = parse_verified(*kept) if kept is not None else None
        if verified is None or verified.is_old(now):
            return None
        if now - verified.at < FRESH_FOR_A_NEW_PROCESS:
            return verified
        if _refusal(destination, verified):
            return None  # its team may have mended it
        # At the start of a process it is proven anew: the server may be another one since.
        return verified if self._has_verified or verified.remains else None

    def _store_verified(self, destination: Destination, verified: VerifiedCapability) -> None:
        with self._store.begin_without_publishing() as uow:
            uow.verifications.put(destination.id, verified.at, serialize_verified(verified))
        structlog.get_logger().info(
            "proven",
            destination=destination.id,
            kind=", ".join(strategy.value for strategy, why in verified.strategies.items() if why == HONOURED)
            or "nothing",
            resource_type=verified.kind,
            count=len(verified.remains),
        )


def _refusal(destination: Destination, verified: VerifiedCapability) -> str:
    """Why nothing can be written there; empty where it can."""
    named = destination.strategy
    if named is not None and not verified.honours(named):
        return f"{named.value}, which its file names, is refused: {verified.strategies[named]}"
    if HONOURED not in verified.strategies.values():
        return f"no way of writing is safe there ({verified.refused_reasons})"
    return ""
