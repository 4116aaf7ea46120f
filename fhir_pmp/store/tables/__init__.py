"""Defines the tables, by subject. Importing this package adds all of them to `metadata`."""

from fhir_pmp.store.tables import access, delivery, inbox, letters, people, published, pulling, responses
from fhir_pmp.store.tables.metadata import metadata

__all__ = [
    "access",
    "inbox",
    "delivery",
    "letters",
    "metadata",
    "people",
    "published",
    "pulling",
    "responses",
]
