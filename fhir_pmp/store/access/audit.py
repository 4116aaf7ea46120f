"""Stores the audit: who read or changed what, when and by which route.

Rows are only added.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import PersonId
from fhir_pmp.store.engine.bulk import BulkInsert
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.access import audit

_APPEND = BulkInsert(audit, "at", "who", "route", "action", "outcome", "request_id", "resources", "persons")


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One access: the caller, the route, the resources, the people and the result."""

    at: datetime
    who: str  # "client:…", "account:…", "command:…", "anonymous"
    route: str
    action: str  # create | read | update | delete | ...
    outcome: str  # HTTP status, or the result of a command
    request_id: str
    resources: tuple[str, ...] = ()  # "Type/id/_history/n", each version returned or written
    persons: tuple[PersonId, ...] = ()


class Audit:
    """Appends audit entries; the database itself refuses to change or remove one."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def append(self, rows: Sequence[AuditRow]) -> None:
        """Stores the rows, in this transaction."""
        _APPEND(
            self._connection,
            [
                (
                    to_milliseconds(e.at),
                    e.who,
                    e.route,
                    e.action,
                    e.outcome,
                    e.request_id,
                    " ".join(e.resources),
                    " ".join(e.persons),
                )
                for e in rows
            ],
        )

    def list_all(self, *, after: int = 0, limit: int = 1000) -> list[tuple[int, AuditRow]]:
        """Lists entries with their number, in order: the next `limit` after a number."""
        query = sa.select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
        return [(row.seq, _entry(row)) for row in self._connection.execute(query)]

    def of_person(self, person: PersonId, *, limit: int = 200) -> list[AuditRow]:
        """Lists the newest entries about a person, newest first."""
        about = sa.literal(" ") + audit.c.persons + " "
        query = sa.select(audit).where(about.contains(f" {person} ")).order_by(audit.c.seq.desc())
        return [_entry(row) for row in self._connection.execute(query.limit(limit))]


def _entry(row: sa.Row[Any]) -> AuditRow:
    return AuditRow(
        at=row.at,
        who=row.who,
        route=row.route,
        action=row.action,
        outcome=row.outcome,
        request_id=row.request_id,
        resources=tuple(row.resources.split()),
        persons=tuple(PersonId(person) for person in row.persons.split()),
    )
