"""Defines the errors that the store raises."""

from fhir_pmp.errors import NotAllowed, NotFound, TryLater


class NotStored(NotFound):
    """Nothing is stored under that id."""


class StoreBusy(TryLater):
    """The database was locked, full or out of reach; this transaction was rolled back."""


class ChangedMeanwhile(NotAllowed):
    """It was changed since it was read. Read it again and decide again."""


class AlreadyStored(NotAllowed):
    """The key is taken already, or what it refers to is not stored."""


class NotDurable(NotAllowed):
    """The database could lose acknowledged data with its present settings. The operator changes them."""


class NotMigrated(NotAllowed):
    """The database does not have the tables of this version. The operator runs the migrations."""
