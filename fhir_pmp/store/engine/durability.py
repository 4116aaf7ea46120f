"""Checks that a database keeps committed data through a power failure."""

import sqlalchemy as sa

from fhir_pmp.errors import Fault
from fhir_pmp.store.errors import NotDurable


def check_durable(connection: sa.Connection) -> None:
    """Raises NotDurable, which names each database setting that must change."""
    faults = (
        _sqlite_faults(connection) if connection.dialect.name == "sqlite" else _postgresql_faults(connection)
    )
    if faults:
        raise NotDurable(faults=faults)


def _sqlite_faults(connection: sa.Connection) -> list[Fault]:
    wanted = {"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"}
    faults = []
    for name, value in wanted.items():
        if str(connection.exec_driver_sql(f"PRAGMA {name}").scalar()).lower() != value:
            faults.append(
                Fault(f"PRAGMA {name}", f"is not {value}: this file system or file does not take it")
            )
    return faults


def _postgresql_faults(connection: sa.Connection) -> list[Fault]:
    faults = []
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if connection.exec_driver_sql(f"SHOW {name}").scalar() == "off":
            faults.append(Fault(name, "is off: a crash would lose what we said we had kept"))
    return faults
