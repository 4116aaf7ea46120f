"""Builds a letter's document Bundle: the Composition and everything that it refers to."""

from collections.abc import Callable, Iterable

import orjson

from fhir_pmp.errors import NotAllowed
from fhir_pmp.fhir.documents.composition import build_composition
from fhir_pmp.fhir.documents.letter_document import LetterDocument
from fhir_pmp.fhir.elements.datatypes import identifier
from fhir_pmp.fhir.elements.instants import format_instant
from fhir_pmp.fhir.search.search_keys import tokens_of
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.serialization.rendered_resource import (
    RenderedResource,
    Resource,
    local_references,
    resource_head,
)
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext

LoadPublished = Callable[[str], bytes | None]
"""Returns the published bytes of a resource by "Type/id", or None."""


class DocumentIncomplete(NotAllowed):
    """A letter refers to a resource that is not published, so it cannot be sent."""


def build_document_bundle(
    clinic: ClinicalContext, letter: LetterDocument, load_published: LoadPublished
) -> RenderedResource:
    """Builds the self-contained Bundle of a letter; it includes indirect references and never changes.

    Raises DocumentIncomplete, naming the types that are missing.
    """
    head = build_composition(clinic, letter)
    entries = [
        (f"Composition/{head['id']}", write_canonical(head)),
        *_with_everything_referenced(local_references(head), load_published),
    ]
    bundle_id = clinic.ids.document_bundle_id(letter.id)
    resource: Resource = {
        "resourceType": "Bundle",
        "id": bundle_id,
        "identifier": identifier(clinic.ids.own_identifier(IdKind.BUNDLE, bundle_id)),
        "type": "document",
        "timestamp": format_instant(letter.issued_at),
        "entry": [
            {"fullUrl": f"{clinic.ids.canonical_base}/{reference}", "resource": orjson.Fragment(content)}
            for reference, content in entries
        ],
    }
    content = {name: value for name, value in resource.items() if name not in ("resourceType", "id")}
    return RenderedResource(
        type="Bundle",
        id=bundle_id,
        head=resource_head("Bundle", bundle_id),
        tail=write_canonical(content)[1:],
        sharing=letter.sharing,
        person=letter.person,
        episode=letter.episode,
        owner=letter.owner,
        date_text=resource["timestamp"],
        tokens=tokens_of(resource),
    )


def _with_everything_referenced(
    references: Iterable[str], load_published: LoadPublished
) -> list[tuple[str, bytes]]:
    found: dict[str, bytes] = {}
    missing: list[str] = []
    waiting = list(dict.fromkeys(references))
    for reference in waiting:  # grows during the loop
        content = load_published(reference)
        if content is None:
            missing.append(reference)
            continue
        found[reference] = content
        further = dict.fromkeys(local_references(orjson.loads(content)))
        waiting += [one for one in further if one not in waiting]
    if missing:
        types = ", ".join(sorted({reference.partition("/")[0] for reference in missing}))
        raise DocumentIncomplete(f"refers to what is not published: {types}", field="letter")
    return list(found.items())
