"""Reads a server's CapabilityStatement and chooses the write strategy of each resource type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fhir_pmp.ehr.capability.verified_capability import VerifiedCapability
from fhir_pmp.ehr.config.destinations import Destination, WriteStrategy
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.ehr.transport.response_class import HttpResponseClass, NotReadable, classify_status
from fhir_pmp.ehr.transport.retry_after import read_retry_after
from fhir_pmp.errors import NotUnderstood, Refused
from fhir_pmp.fhir.serialization.json_reader import read_json

STRATEGIES_SAFEST_FIRST = (
    WriteStrategy.OUR_ID,
    WriteStrategy.CONDITIONAL_UPDATE,
    WriteStrategy.CONDITIONAL_CREATE,
    WriteStrategy.SEARCH_THEN_CREATE,
)
"""The ways of a first write, the safest first."""
LARGEST_STATEMENT = 16 * 1024 * 1024
"""Bytes. HAPI's is 1.5 MB."""
READ_AGAIN_AFTER = timedelta(days=1)


class NotR4(Refused):
    """The destination's server does not speak FHIR R4 as JSON. The operator corrects its address."""


class CapabilityRefused(Refused):
    """The destination does not show its CapabilityStatement. The operator looks."""


@dataclass(frozen=True, slots=True)
class TypeCapability:
    """What the server says it does with one resource type; None: it does not say."""

    interactions: frozenset[str]
    update_create: bool | None
    conditional_update: bool | None
    conditional_create: bool | None

    def claims(self, way: WriteStrategy) -> bool | None:
        """Whether the server claims this strategy for a first write; None if not stated."""
        needed, claimed = {
            WriteStrategy.OUR_ID: ("update", self.update_create),
            WriteStrategy.CONDITIONAL_UPDATE: ("update", self.conditional_update),
            WriteStrategy.CONDITIONAL_CREATE: ("create", self.conditional_create),
            WriteStrategy.SEARCH_THEN_CREATE: (
                "create",
                None if "search-type" in self.interactions else False,
            ),
            WriteStrategy.NONE: ("", False),
        }[way]
        return claimed if needed in self.interactions else False


@dataclass(frozen=True, slots=True)
class Capability:
    """A CapabilityStatement, as far as it decides how we write."""

    types: Mapping[str, TypeCapability]
    transaction: bool
    batch: bool
    read_at: datetime
    verified: VerifiedCapability | None = None  # None: what the server says is believed
    # Asked for every reference of every delivery, and always the same.
    _strategies: dict[tuple[WriteStrategy | None, str], WriteStrategy] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def is_old(self, now: datetime) -> bool:
        """Whether it is time to read it again."""
        return now - self.read_at >= READ_AGAIN_AFTER

    def strategy(self, destination: Destination, kind: str) -> WriteStrategy:
        """Returns the strategy of a type's first write; the destination file may name it."""
        way = self._strategies.get((destination.strategy, kind))
        if way is None:
            way = self._strategies[destination.strategy, kind] = self._strategy(destination, kind)
        return way

    def _strategy(self, destination: Destination, kind: str) -> WriteStrategy:
        type_capability = self.types.get(kind)
        if type_capability is None:
            return WriteStrategy.NONE
        if destination.strategy is not None:
            return destination.strategy
        return next(
            (way for way in STRATEGIES_SAFEST_FIRST if self._is_allowed(way, kind, type_capability)),
            WriteStrategy.NONE,
        )

    def _is_allowed(self, way: WriteStrategy, kind: str, type_capability: TypeCapability) -> bool:
        claimed = type_capability.claims(way)
        if self.verified is None:
            return claimed is True
        if claimed is False or not self.verified.honours(way):
            return False
        # An id of ours that is not taken is refused aloud; a condition that is not looked at doubles the resource.
        harmless = way in (WriteStrategy.OUR_ID, WriteStrategy.SEARCH_THEN_CREATE)
        return claimed is True or harmless or kind == self.verified.kind


def fetch_statement(client: EhrClient, now: datetime) -> Mapping[str, Any]:
    """The CapabilityStatement as it came. Raises WireFailure, CapabilityRefused, NotReadable."""
    answer = client.ask("GET", "metadata")
    response_class = classify_status(answer.status)
    if response_class is not HttpResponseClass.DONE:
        if response_class in (
            HttpResponseClass.RETRY,
            HttpResponseClass.RETRY_UNKNOWN,
            HttpResponseClass.UNKNOWN,
        ):
            raise NotReadable(after_seconds=read_retry_after(answer.headers.get("Retry-After"), now))
        raise CapabilityRefused
    try:
        return read_json(answer.body, max_bytes=LARGEST_STATEMENT)
    except NotUnderstood:
        raise NotReadable from None


def read_capability(statement: Mapping[str, Any], now: datetime) -> Capability:
    """Reads a CapabilityStatement. Raises NotR4.

    What the statement does not claim counts as not supported.
    """
    if statement.get("resourceType") != "CapabilityStatement":
        raise NotReadable
    if not str(statement.get("fhirVersion", "")).startswith("4.0"):
        raise NotR4
    rest = next((r for r in _tables(statement.get("rest")) if r.get("mode") == "server"), {})
    system = {str(i.get("code")) for i in _tables(rest.get("interaction"))}
    types = {
        str(r["type"]): _read_type_capability(r)
        for r in _tables(rest.get("resource"))
        if isinstance(r.get("type"), str)
    }
    return Capability(types, "transaction" in system, "batch" in system, now)


def _read_type_capability(resource: Mapping[str, Any]) -> TypeCapability:
    return TypeCapability(
        interactions=frozenset(str(i.get("code")) for i in _tables(resource.get("interaction"))),
        update_create=_bool_or_none(resource.get("updateCreate")),
        conditional_update=_bool_or_none(resource.get("conditionalUpdate")),
        conditional_create=_bool_or_none(resource.get("conditionalCreate")),
    )


def _bool_or_none(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [member for member in value if isinstance(member, dict)] if isinstance(value, list) else []


def accepts_type(destination: Destination, capability: Capability, kind: str) -> bool:
    """Whether resources of this type go there."""
    return destination.accepts_type(kind) and capability.strategy(destination, kind) is not WriteStrategy.NONE
