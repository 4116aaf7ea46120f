"""Stores all data by SQL, one repository per module, the same on SQLite and PostgreSQL."""

from fhir_pmp.store.database import Store
from fhir_pmp.store.unit_of_work import UnitOfWork

__all__ = ["UnitOfWork", "Store"]
