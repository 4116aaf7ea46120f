"""The table of probes as data, and how they are run: one after the other, everything removed at the end."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from fhir_pmp.ehr.outcomes import OffOrigin, Untrusted, WireFailure
from fhir_pmp.ehr.probing import bundles, conditions, keeping, reading, writing
from fhir_pmp.ehr.probing.choosing import choose
from fhir_pmp.ehr.probing.claims import SILENT, Claims
from fhir_pmp.ehr.probing.findings import Finding, Found, Probed, unknown
from fhir_pmp.ehr.probing.ground import Ground


@dataclass(frozen=True, slots=True)
class Probe:
    """One line: what it is called, how it is found out, and where the CapabilityStatement speaks of it."""

    name: str
    title: str
    run: Callable[[Ground], Found]
    claimed: Callable[[Claims], str] = lambda _: SILENT
    writes: bool = True


PROBES: tuple[Probe, ...] = (
    Probe("clock", "Answers bear the server's clock", reading.clock, writes=False),
    Probe(
        "by_identifier",
        "Search by identifier, posted",
        reading.by_identifier,
        lambda c: c.parameter("identifier"),
        writes=False,
    ),
    Probe(
        "unknown_parameter", "Unknown search parameters are refused", reading.unknown_parameter, writes=False
    ),
    Probe(
        "changed_since",
        "What changed since, oldest first",
        reading.changed_since,
        lambda c: c.parameter("_lastUpdated"),
        writes=False,
    ),
    Probe(
        "answers",
        "Answers to writes say where and which version",
        writing.location_and_version,
        lambda c: c.said("versioning"),
    ),
    Probe(
        "client_ids", "Ids of the client (PUT creates)", writing.client_ids, lambda c: c.said("updateCreate")
    ),
    Probe("same_again", "The same content again makes no version", writing.same_again),
    Probe("if_match", "If-Match", writing.if_match, lambda c: c.said("versioning")),
    Probe("if_none_match", "If-None-Match: * on PUT", writing.if_none_match),
    Probe("search_lag", "A search finds what was just written", conditions.search_lag),
    Probe("caching", "A repeated search is fresh", conditions.caching),
    Probe(
        "if_none_exist",
        "If-None-Exist (conditional create)",
        conditions.if_none_exist,
        lambda c: c.said("conditionalCreate"),
    ),
    Probe(
        "conditional_update",
        "PUT by identifier (conditional update)",
        conditions.conditional_update,
        lambda c: c.said("conditionalUpdate"),
    ),
    Probe(
        "transaction", "Transaction: all or nothing", bundles.transaction, lambda c: c.system("transaction")
    ),
    Probe("batch", "Batch: each for itself", bundles.batch, lambda c: c.system("batch")),
    Probe("paging", "Paging by next links", reading.paging, writes=False),
    Probe("decimals", "Decimals keep their digits", keeping.decimals),
    Probe("dates", "Moments keep their offset", keeping.dates),
    Probe("tags", "meta.tag", keeping.tags),
    Probe("invalid_input", "Invalid input is refused", keeping.invalid_input),
    Probe("removal", "DELETE removes", writing.removal, lambda c: c.interaction("delete")),
)

DECISIVE = ("if_match", "client_ids", "search_lag", "if_none_exist", "conditional_update")
"""The probes on which the way of writing rests."""

WRITABLE = ("Observation", "DocumentReference", "QuestionnaireResponse", "Basic", "Organization")
"""Types a probe can write without a patient, the most telling first."""


def type_to_write(claims: Claims, takes: Callable[[str], bool] = lambda _: True) -> str | None:
    """The type that probes write at this server; None where it lists none that they can."""
    for kind in WRITABLE:
        if takes(kind) and claims.interactions(kind) & {"create", "update"}:
            return kind
    return None


def run_probes(
    ground: Ground, claims: Claims, *, read_only: bool = False, only: Collection[str] | None = None
) -> Probed:
    """Runs the table, or only the probes of these names, and removes what they made, whatever happens."""
    findings: list[Finding] = []
    left: Sequence[str] = ()
    try:
        for probe in PROBES:
            if (only is None or probe.name in only) and not (read_only and probe.writes):
                findings.append(Finding(probe.name, probe.title, _run(probe, ground), probe.claimed(claims)))
    finally:
        left = ground.remove_all()
    choice = None if read_only else choose({finding.name: finding.found for finding in findings})
    return Probed(ground.client.base, ground.kind, findings, choice, left)


def _run(probe: Probe, ground: Ground) -> Found:
    try:
        return probe.run(ground)
    except Untrusted:
        raise
    except (WireFailure, OffOrigin) as failure:
        if ground.strict:
            raise
        return unknown(str(failure))
