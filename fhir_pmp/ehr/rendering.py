"""The bytes one destination gets: references to what it calls otherwise, or does not take, are replaced."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from fhir_pmp.ehr.content import LARGEST_RESOURCE, without_stamp
from fhir_pmp.fhir.json_reader import read_json
from fhir_pmp.fhir.json_writer import write_canonical


@dataclass(frozen=True, slots=True)
class ByIdentifier:
    """A reference to what the destination does not hold: the type and a business identifier."""

    type: str
    identifier: Mapping[str, Any] | None


Replacements = Mapping[str, str | ByIdentifier]
"""What a local `Type/id` becomes: the destination's own `Type/id`, a place-holder, or a logical reference."""


def render(
    content: bytes, kind: str, own_id: str, destination_id: str | None, replaced: Replacements
) -> bytes:
    """Published bytes as they travel. `destination_id` is the id they bear there; None where the server will name it.

    A document Bundle keeps what it holds, whatever is replaced: its signature is of these bytes.
    """
    sent = without_stamp(content)
    if destination_id == own_id and (kind == "Bundle" or not replaced):
        return sent
    resource = read_json(sent, max_bytes=LARGEST_RESOURCE)
    if kind != "Bundle":
        resource = {name: _replaced(value, replaced) for name, value in resource.items()}
    return write_canonical(_named(resource, destination_id))


def place_holder(reference: str) -> str:
    """What stands for a resource inside one transaction until the server has given it an id."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, reference)}"


def settled(content: bytes, kind: str, own_reference: str, place: str, replaced: Mapping[str, str]) -> bytes:
    """What the server holds once it has named its ids: place-holders and the own id filled in."""
    if own_reference == place and not replaced:
        return content
    for holder, known in replaced.items():
        content = content.replace(holder.encode(), known.encode())
    resource = read_json(content, max_bytes=LARGEST_RESOURCE)
    return write_canonical(_named(resource, place.partition("/")[2]))


def business_identifier(resource: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The resource's first identifier with a system and a value; definitions have their url instead."""
    found = resource.get("identifier")
    for identifier in found if isinstance(found, list) else [found]:
        if isinstance(identifier, dict) and "system" in identifier and "value" in identifier:
            return {"system": identifier["system"], "value": identifier["value"]}
    return None


def _named(resource: dict[str, Any], id_: str | None) -> dict[str, Any]:
    rest = {name: value for name, value in resource.items() if name not in ("resourceType", "id")}
    own = {} if id_ is None else {"id": id_}
    return {"resourceType": resource["resourceType"], **own, **rest}


def _replaced(value: Any, replaced: Replacements) -> Any:
    if isinstance(value, list):
        return [_replaced(member, replaced) for member in value]
    if not isinstance(value, dict):
        return value
    new = replaced.get(value["reference"]) if isinstance(value.get("reference"), str) else None
    if isinstance(new, ByIdentifier):
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
