"""What the store says when it cannot do what it was asked."""

from fhir_pmp.errors import NotAllowed, NotFound, TryLater


class NotStored(NotFound):
    """Nothing is kept under that id."""


class StoreBusy(TryLater):
    """The database was locked, full or out of reach; nothing of this transaction was kept."""


class ChangedMeanwhile(NotAllowed):
    """Somebody else changed it since it was read. Read it again and decide again."""


class AlreadyStored(NotAllowed):
    """The key is taken already, or what it refers to is not kept."""


class NotDurable(NotAllowed):
    """The database is set up so that it could lose what we said we had kept. The operator changes its settings."""


class NotMigrated(NotAllowed):
    """The database does not have the tables of this version. The operator runs the migrations."""
