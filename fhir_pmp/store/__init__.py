"""The only SQL: what the house remembers, one repository per file, the same on SQLite and PostgreSQL."""

from fhir_pmp.store.books import Books
from fhir_pmp.store.store import Store

__all__ = ["Books", "Store"]
