"""Builds FHIR data types: codings, concepts, identifiers, references and quantities."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from fhir_pmp.fhir.terminology.systems import DATA_ABSENT_REASON, UCUM
from fhir_pmp.identifiers import Identifier
from fhir_pmp.instruments.definition import Coding


def coding(of: Coding) -> dict[str, Any]:
    """Returns a Coding, with a display if it is known."""
    written: dict[str, Any] = {"system": of.system, "code": of.code}
    if of.display is not None:
        written["display"] = of.display
    return written


def concept(codings: Iterable[Coding], text: str | None = None) -> dict[str, Any]:
    """Returns a CodeableConcept."""
    written: dict[str, Any] = {"coding": [coding(one) for one in codings]}
    if text is not None:
        written["text"] = text
    return written


def identifier(of: Identifier) -> dict[str, Any]:
    """Returns an Identifier."""
    return {"system": of.system, "value": of.value}


def reference(kind: str, resource_id: str) -> dict[str, Any]:
    """Returns a Reference to a resource of ours, without version: servers remove versions."""
    return {"reference": f"{kind}/{resource_id}"}


def score_quantity(decimal_text: str) -> dict[str, Any]:
    """Returns a score as Quantity, with UCUM's annotation {score} as its unit."""
    return {"value": exact_decimal(decimal_text), "unit": "{score}", "system": UCUM, "code": "{score}"}


def exact_decimal(decimal_text: str) -> Decimal:
    """Returns a decimal with exactly these digits."""
    return Decimal(decimal_text)


def data_absent_reason(code: str, text: str) -> dict[str, Any]:
    """Returns a dataAbsentReason with an explanation as its text."""
    return {"coding": [{"system": DATA_ABSENT_REASON, "code": code}], "text": text}
