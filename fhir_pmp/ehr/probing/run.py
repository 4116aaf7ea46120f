"""One run of the whole table at one address, and the small part of it on which the way of writing rests."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from fhir_pmp.ehr.capability import fetch_statement, read_capability
from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.destinations import Destination
from fhir_pmp.ehr.probing.claims import Claims
from fhir_pmp.ehr.probing.findings import Finding, Probed, yes
from fhir_pmp.ehr.probing.ground import Ground
from fhir_pmp.ehr.probing.table import DECISIVE, run_probes, type_to_write
from fhir_pmp.ehr.proof import Proof
from fhir_pmp.errors import Refused

PATIENCE = 90.0
"""Seconds that a search is given to find what was written."""


class NothingToProbeWith(Refused):
    """The server lists no type that a probe could write. Name one, or only read."""


def probe(
    client: EhrClient,
    now: datetime,
    *,
    read_only: bool = False,
    kind: str | None = None,
    subject: str | None = None,
    patience: float = PATIENCE,
    begun: Callable[[Ground], object] = lambda _: None,
) -> Probed:
    """The whole table. Raises WireFailure, NotR4, CapabilityRefused, NothingToProbeWith.

    `subject` is a Patient there that the resources are to be about, where the server wants one. `begun` is given the
    ground before anything is made: what could not be removed stands in it even where the run is broken off.
    """
    statement = fetch_statement(client, now)
    read_capability(statement, now)
    claims = Claims(statement, "")
    kind = kind or type_to_write(claims) or ("Observation" if read_only else None)
    if kind is None:
        raise NothingToProbeWith
    claims = Claims(statement, kind)
    ground = Ground(client, kind, _token(), patience, _extra(kind, subject))
    begun(ground)
    probed = run_probes(ground, claims, read_only=read_only)
    version = Finding("version", "FHIR version", yes(claims.version()), claims.version())
    return replace(probed, findings=[version, *probed.findings])


def prove(
    client: EhrClient,
    destination: Destination,
    statement: Mapping[str, Any],
    now: datetime,
    *,
    patience: float,
) -> Proof:
    """The part on which the way of writing rests. Raises WireFailure, NothingToProbeWith, Untrusted."""
    kind = type_to_write(Claims(statement, ""), destination.takes)
    if kind is None:
        raise NothingToProbeWith
    extra = _extra(kind, destination.probe_subject, destination)
    ground = Ground(client, kind, _token(), patience, extra, strict=True)
    ground.remove_leftovers()
    probed = run_probes(ground, Claims(statement, kind), only=DECISIVE)
    assert probed.choice is not None
    lag = probed.find("search_lag")
    return Proof(now, kind, probed.choice.ways, lag.seconds if lag else None, tuple(probed.left))


def _token() -> str:
    # Digits and letters, the first a letter: it is part of an id, and of a number written to the base of 36.
    return "p" + secrets.token_hex(5)


def _extra(kind: str, subject: str | None, destination: Destination | None = None) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if subject is not None and kind in ("Observation", "DocumentReference", "QuestionnaireResponse"):
        extra["subject"] = {"reference": subject}
    return extra | (destination.probe_with(kind) if destination is not None else {})
