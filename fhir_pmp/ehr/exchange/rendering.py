"""Renders the bytes for one destination: adapts references to its ids and accepted types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from fhir_pmp.ehr.config.content import LARGEST_RESOURCE
from fhir_pmp.fhir.serialization.json_reader import read_json
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.store.delivery.sent_bytes import without_version_meta


@dataclass(frozen=True, slots=True)
class LogicalReference:
    """A reference to what the destination does not hold: the type and a business identifier."""

    type: str
    identifier: Mapping[str, Any] | None


Replacements = Mapping[str, str | LogicalReference]
"""What a local `Type/id` becomes: the destination's own `Type/id`, a place-holder, or a logical reference."""


def render_for_destination(
    content: bytes, kind: str, own_id: str, destination_id: str | None, replaced: Replacements
) -> bytes:
    """Renders published bytes for the destination.

    `destination_id` is the id that they get there; None if the server assigns it. The entries of a document Bundle are
    never changed: its signature covers these bytes.
    """
    sent = without_version_meta(content)
    if destination_id == own_id and (kind == "Bundle" or not replaced):
        return sent
    resource = read_json(sent, max_bytes=LARGEST_RESOURCE)
    if kind != "Bundle":
        resource = {name: _replaced(value, replaced) for name, value in resource.items()}
    return write_canonical(_with_id(resource, destination_id))


def transaction_placeholder(reference: str) -> str:
    """The placeholder for a resource inside a transaction until the server assigns its id."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, reference)}"


def fill_in_server_ids(
    content: bytes, remote_reference: str, named: Mapping[str, str], *, had_remote_reference: bool
) -> bytes:
    """Returns the content as the server holds it once it has assigned its ids.

    Placeholders (`named`) and the resource's own id are filled in.
    """
    for holder, known in named.items():
        content = content.replace(holder.encode(), known.encode())
    if had_remote_reference:
        return content
    return write_canonical(
        _with_id(read_json(content, max_bytes=LARGEST_RESOURCE), remote_reference.partition("/")[2])
    )


def business_identifier(resource: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The resource's first identifier with a system and a value; definitions have their url instead."""
    found = resource.get("identifier")
    for identifier in found if isinstance(found, list) else [found]:
        if isinstance(identifier, dict) and "system" in identifier and "value" in identifier:
            return {"system": identifier["system"], "value": identifier["value"]}
    return None


def search_query_for(content: bytes) -> str | None:
    """The search parameters of a conditional write that find the resource; None if none do."""
    resource = read_json(without_version_meta(content), max_bytes=LARGEST_RESOURCE)
    identifier = business_identifier(resource)
    if identifier is not None:
        return identifier_query(identifier["system"], identifier["value"])
    if "url" in resource and "version" in resource:
        return f"url={quote(resource['url'], safe='')}&version={quote(resource['version'], safe='')}"
    return None


def identifier_query(system: str, value: str) -> str:
    """Bare search parameters for one identifier."""
    return f"identifier={quote(system, safe='')}%7C{quote(value, safe='')}"


def _with_id(resource: dict[str, Any], id_: str | None) -> dict[str, Any]:
    rest = {name: value for name, value in resource.items() if name not in ("resourceType", "id")}
    own = {} if id_ is None else {"id": id_}
    return {"resourceType": resource["resourceType"], **own, **rest}


def _replaced(value: Any, replaced: Replacements) -> Any:
    if isinstance(value, list):
        return [_replaced(member, replaced) for member in value]
    if not isinstance(value, dict):
        return value
    new = replaced.get(value["reference"]) if isinstance(value.get("reference"), str) else None
    if isinstance(new, LogicalReference):
        logical: dict[str, Any] = {"type": new.type}
        if new.identifier is not None:
            logical["identifier"] = dict(new.identifier)
        return logical | {
            name: member for name, member in value.items() if name not in ("reference", "type", "identifier")
        }
    copy = {name: _replaced(member, replaced) for name, member in value.items()}
    if new is not None:
        copy["reference"] = new
    return copy
