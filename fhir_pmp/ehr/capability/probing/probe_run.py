"""Runs all capability probes at one address, or only those that decide the write strategy."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from fhir_pmp.ehr.capability.probing.claims import Claims
from fhir_pmp.ehr.capability.probing.probe_results import ProbeFinding, ProbeReport, yes
from fhir_pmp.ehr.capability.probing.probe_session import ProbeSession
from fhir_pmp.ehr.capability.probing.probe_table import STRATEGY_PROBES, run_probes, type_to_write
from fhir_pmp.ehr.capability.server_capability import fetch_statement, read_capability
from fhir_pmp.ehr.capability.verified_capability import VerifiedCapability
from fhir_pmp.ehr.config.destinations import Destination
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.errors import Refused

PATIENCE = 90.0
"""Seconds that a search is given to find what was written."""


class NoTypeToProbe(Refused):
    """The server lists no type that a probe could write. Name one, or only read."""


def probe(
    client: EhrClient,
    now: datetime,
    *,
    read_only: bool = False,
    kind: str | None = None,
    subject: str | None = None,
    search_timeout: float = PATIENCE,
    on_session_start: Callable[[ProbeSession], object] = lambda _: None,
) -> ProbeReport:
    """Probes everything the table shows. Raises WireFailure, NotR4, CapabilityRefused, NoTypeToProbe.

    `subject` is a Patient there that the resources are to be about, where the server wants one. `on_session_start` is given the
    ground before anything is made: what could not be removed stands in it even where the run is broken off.
    """
    statement = fetch_statement(client, now)
    read_capability(statement, now)
    claims = Claims(statement, "")
    kind = kind or type_to_write(claims) or ("Observation" if read_only else None)
    if kind is None:
        raise NoTypeToProbe
    claims = Claims(statement, kind)
    session = ProbeSession(client, kind, _token(), search_timeout, _extra_members(kind, subject))
    on_session_start(session)
    report = run_probes(session, claims, read_only=read_only)
    version = ProbeFinding("version", "FHIR version", yes(claims.version()), claims.version())
    return replace(report, findings=[version, *report.findings])


def verify_strategies(
    client: EhrClient,
    destination: Destination,
    statement: Mapping[str, Any],
    now: datetime,
    *,
    search_timeout: float,
) -> VerifiedCapability:
    """Probes what the write strategy depends on. Raises WireFailure, NoTypeToProbe, Untrusted."""
    kind = type_to_write(Claims(statement, ""), destination.accepts_type)
    if kind is None:
        raise NoTypeToProbe
    extra = _extra_members(kind, destination.probe_subject, destination)
    session = ProbeSession(client, kind, _token(), search_timeout, extra, strict=True)
    session.remove_older_runs()
    report = run_probes(session, Claims(statement, kind), only=STRATEGY_PROBES)
    assert report.choice is not None
    lag = report.find("search_lag")
    return VerifiedCapability(
        now, kind, report.choice.strategies, lag.seconds if lag else None, tuple(report.remains)
    )


def _token() -> str:
    # Digits and letters, the first a letter: it is part of an id, and of a number written to the base of 36.
    return "p" + secrets.token_hex(5)


def _extra_members(kind: str, subject: str | None, destination: Destination | None = None) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if subject is not None and kind in ("Observation", "DocumentReference", "QuestionnaireResponse"):
        extra["subject"] = {"reference": subject}
    return extra | (destination.probe_members(kind) if destination is not None else {})
