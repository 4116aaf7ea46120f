"""What a FHIR server says it can do, and the way of writing each type that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.destinations import Destination, WriteStrategy
from fhir_pmp.ehr.outcomes import Meaning, NotReadable, meaning_of
from fhir_pmp.ehr.retry_after import read_retry_after
from fhir_pmp.errors import NotUnderstood, Refused
from fhir_pmp.fhir.json_reader import read_json

LARGEST_STATEMENT = 16 * 1024 * 1024
"""Bytes. HAPI's is 1.5 MB."""
READ_AGAIN_AFTER = timedelta(days=1)


class NotR4(Refused):
    """The destination's server does not speak FHIR R4 as JSON. The operator corrects its address."""


class CapabilityRefused(Refused):
    """The destination does not show its CapabilityStatement. The operator looks."""


@dataclass(frozen=True, slots=True)
class OfType:
    """What the server does with one resource type."""

    interactions: frozenset[str]
    update_create: bool
    conditional_update: bool
    conditional_create: bool


@dataclass(frozen=True, slots=True)
class Capability:
    """A CapabilityStatement, as far as it decides how we write."""

    types: Mapping[str, OfType]
    transaction: bool
    batch: bool
    read_at: datetime

    def is_old(self, now: datetime) -> bool:
        """Whether it is time to read it again."""
        return now - self.read_at >= READ_AGAIN_AFTER

    def strategy(self, destination: Destination, kind: str) -> WriteStrategy:
        """The way a resource of this type is first written there; the destination file may name it."""
        of_type = self.types.get(kind)
        if of_type is None:
            return WriteStrategy.NONE
        if destination.strategy is not None:
            return destination.strategy
        if "update" in of_type.interactions and of_type.update_create:
            return WriteStrategy.OUR_ID
        if "update" in of_type.interactions and of_type.conditional_update:
            return WriteStrategy.CONDITIONAL_UPDATE
        if "create" in of_type.interactions and of_type.conditional_create:
            return WriteStrategy.CONDITIONAL_CREATE
        return WriteStrategy.NONE


def fetch_capability(client: EhrClient, now: datetime) -> Capability:
    """Asks for the CapabilityStatement. Raises WireFailure, NotR4, CapabilityRefused, NotReadable."""
    answer = client.ask("GET", "metadata")
    meaning = meaning_of(answer.status)
    if meaning is not Meaning.DONE:
        if meaning in (Meaning.RETRY, Meaning.RETRY_UNKNOWN, Meaning.UNKNOWN):
            raise NotReadable(after_seconds=read_retry_after(answer.headers.get("Retry-After"), now))
        raise CapabilityRefused
    try:
        return read_capability(read_json(answer.body, max_bytes=LARGEST_STATEMENT), now)
    except NotUnderstood:
        raise NotReadable from None


def read_capability(statement: Mapping[str, Any], now: datetime) -> Capability:
    """Takes a CapabilityStatement apart. Raises NotR4. Whatever it does not say, the server does not do."""
    if statement.get("resourceType") != "CapabilityStatement":
        raise NotReadable
    if not str(statement.get("fhirVersion", "")).startswith("4.0"):
        raise NotR4
    rest = next((r for r in _tables(statement.get("rest")) if r.get("mode") == "server"), {})
    system = {str(i.get("code")) for i in _tables(rest.get("interaction"))}
    types = {
        str(r["type"]): _of_type(r) for r in _tables(rest.get("resource")) if isinstance(r.get("type"), str)
    }
    return Capability(types, "transaction" in system, "batch" in system, now)


def _of_type(resource: Mapping[str, Any]) -> OfType:
    return OfType(
        interactions=frozenset(str(i.get("code")) for i in _tables(resource.get("interaction"))),
        update_create=resource.get("updateCreate") is True,
        conditional_update=resource.get("conditionalUpdate") is True,
        conditional_create=resource.get("conditionalCreate") is True,
    )


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [member for member in value if isinstance(member, dict)] if isinstance(value, list) else []
