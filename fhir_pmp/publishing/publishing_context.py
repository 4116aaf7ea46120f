"""Holds the two values that publishing the clinic's records needs."""

from dataclasses import dataclass

from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.publishing.publisher import Publisher


@dataclass(frozen=True, slots=True)
class PublishingContext:
    """The clinic whose records are rendered, and the publisher that stores their versions.

    It holds no transaction: functions take the unit of work as a parameter of its own.
    """

    clinic: ClinicalContext
    publisher: Publisher
