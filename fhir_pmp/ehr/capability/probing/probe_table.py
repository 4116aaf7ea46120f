"""Lists the probes as data, and runs them one after the other.

Everything that they created is removed at the end.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from fhir_pmp.ehr.capability.probing import (
    bundle_probes,
    conditional_probes,
    fidelity_probes,
    read_probes,
    write_probes,
)
from fhir_pmp.ehr.capability.probing.claims import SILENT, Claims
from fhir_pmp.ehr.capability.probing.probe_results import ProbeFinding, ProbeReport, ProbeResult, unknown
from fhir_pmp.ehr.capability.probing.probe_session import ProbeSession
from fhir_pmp.ehr.capability.probing.strategy_choice import choose_strategy
from fhir_pmp.ehr.transport.response_class import OffOrigin, Untrusted, WireFailure


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe: its name, how it is run, and where the CapabilityStatement claims it."""

    name: str
    title: str
    run: Callable[[ProbeSession], ProbeResult]
    claimed: Callable[[Claims], str] = lambda _: SILENT
    writes: bool = True


PROBES: tuple[Probe, ...] = (
    Probe("clock", "Answers bear the server's clock", read_probes.clock, writes=False),
    Probe(
        "by_identifier",
        "Search by identifier, posted",
        read_probes.by_identifier,
        lambda c: c.parameter("identifier"),
        writes=False,
    ),
    Probe(
        "unknown_parameter",
        "Unknown search parameters are refused",
        read_probes.unknown_parameter,
        writes=False,
    ),
    Probe(
        "changed_since",
        "What changed since, oldest first",
        read_probes.changed_since,
        lambda c: c.parameter("_lastUpdated"),
        writes=False,
    ),
    Probe(
        "answers",
        "Answers to writes say where and which version",
        write_probes.location_and_version,
        lambda c: c.claimed_member("versioning"),
    ),
    Probe(
        "client_ids",
        "Ids of the client (PUT creates)",
        write_probes.client_ids,
        lambda c: c.claimed_member("updateCreate"),
    ),
    Probe("same_again", "The same content again makes no version", write_probes.same_again),
    Probe("if_match", "If-Match", write_probes.if_match, lambda c: c.claimed_member("versioning")),
    Probe("if_none_match", "If-None-Match: * on PUT", write_probes.if_none_match),
    Probe("search_lag", "A search finds what was just written", conditional_probes.search_lag),
    Probe("caching", "A repeated search is fresh", conditional_probes.caching),
    Probe(
        "if_none_exist",
        "If-None-Exist (conditional create)",
        conditional_probes.if_none_exist,
        lambda c: c.claimed_member("conditionalCreate"),
    ),
    Probe(
        "conditional_update",
        "PUT by identifier (conditional update)",
        conditional_probes.conditional_update,
        lambda c: c.claimed_member("conditionalUpdate"),
    ),
    Probe(
        "transaction",
        "Transaction: all or nothing",
        bundle_probes.transaction,
        lambda c: c.system("transaction"),
    ),
    Probe("batch", "Batch: each for itself", bundle_probes.batch, lambda c: c.system("batch")),
    Probe("paging", "Paging by next links", read_probes.paging, writes=False),
    Probe("decimals", "Decimals keep their digits", fidelity_probes.decimals),
    Probe("dates", "Moments keep their offset", fidelity_probes.dates),
    Probe("tags", "meta.tag", fidelity_probes.tags),
    Probe("invalid_input", "Invalid input is refused", fidelity_probes.invalid_input),
    Probe("removal", "DELETE removes", write_probes.removal, lambda c: c.interaction("delete")),
)

STRATEGY_PROBES = ("if_match", "client_ids", "search_lag", "if_none_exist", "conditional_update")
"""The probes on which the way of writing rests."""

WRITABLE = ("Observation", "DocumentReference", "QuestionnaireResponse", "Basic", "Organization")
"""Types a probe can write without a patient, the most telling first."""


def type_to_write(claims: Claims, accepts_type: Callable[[str], bool] = lambda _: True) -> str | None:
    """The resource type that probes write at this server; None if it lists none."""
    for kind in WRITABLE:
        if accepts_type(kind) and claims.interactions(kind) & {"create", "update"}:
            return kind
    return None


def run_probes(
    session: ProbeSession, claims: Claims, *, read_only: bool = False, only: Collection[str] | None = None
) -> ProbeReport:
    """Runs all probes, or the named ones, and always removes what they created."""
    findings: list[ProbeFinding] = []
    remains: Sequence[str] = ()
    try:
        for probe in PROBES:
            if (only is None or probe.name in only) and not (read_only and probe.writes):
                findings.append(
                    ProbeFinding(probe.name, probe.title, _run(probe, session), probe.claimed(claims))
                )
    finally:
        remains = session.remove_all()
    choice = None if read_only else choose_strategy({finding.name: finding.result for finding in findings})
    return ProbeReport(session.client.base, session.kind, findings, choice, remains)


def _run(probe: Probe, session: ProbeSession) -> ProbeResult:
    try:
        return probe.run(session)
    except Untrusted:
        raise
    except (WireFailure, OffOrigin) as failure:
        if session.strict:
            raise
        return unknown(str(failure))
