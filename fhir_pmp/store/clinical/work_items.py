"""Stores work items: the decisions that people in a role must take.

There is no other list of work for people.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import orjson
import sqlalchemy as sa

from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.store.engine.array_params import in_array_param
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored
from fhir_pmp.store.tables.letters import IS_OPEN, work_items


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A decision to take: its question, its subject, its start, and how it was closed."""

    id: int
    kind: str
    role: str  # "clinician" | "administrator"
    about: str  # "person/…", "episode/…", "referral/…", "inbox/…", "delivery/…", "Type/id"
    person: PersonId | None
    episode: EpisodeId | None
    since: datetime
    what: str  # one sentence, without a patient's words
    details: Mapping[str, Any]
    closed_at: datetime | None
    closed_by: str | None
    resolution: str | None


class WorkItems:
    """Work items; at most one is open of a kind about one subject."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def open(
        self,
        kind: str,
        *,
        about: str,
        role: str,
        what: str,
        now: datetime,
        person: PersonId | None = None,
        episode: EpisodeId | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> WorkItem:
        """Opens an item of this kind about this subject, and returns it.

        If one is open already, it is returned unchanged.
        """
        query = sa.select(work_items).where(
            work_items.c.kind == kind, work_items.c.about == about, sa.text(IS_OPEN)
        )
        if (row := self._connection.execute(query).one_or_none()) is not None:
            return _item(row)
        added = self._connection.execute(
            sa.insert(work_items)
            .values(
                kind=kind,
                role=role,
                about=about,
                person=person,
                episode=episode,
                since=now,
                what=what,
                details=orjson.dumps(details or {}).decode(),
            )
            .returning(work_items)
        )
        return _item(added.one())

    def get(self, item: int) -> WorkItem:
        """Returns the item. Raises NotStored."""
        row = self._connection.execute(sa.select(work_items).where(work_items.c.id == item)).one_or_none()
        if row is None:
            raise NotStored("no such work item", field="work item")
        return _item(row)

    def find_open(self, kind: str, about: str) -> WorkItem | None:
        """Returns the open item of this kind about this subject."""
        found = self.list_open(kinds=[kind], about=about)
        return found[0] if found else None

    def find_last(self, kind: str, about: str) -> WorkItem | None:
        """Returns the newest item of this kind about this subject, open or closed."""
        query = sa.select(work_items).where(work_items.c.kind == kind, work_items.c.about == about)
        row = self._connection.execute(query.order_by(work_items.c.id.desc()).limit(1)).one_or_none()
        return None if row is None else _item(row)

    def list_open(
        self,
        *,
        kinds: Iterable[str] | None = None,
        about: str | None = None,
        person: PersonId | None = None,
        episode: EpisodeId | None = None,
        limit: int = 1000,
    ) -> list[WorkItem]:
        """Lists open items, oldest first."""
        asked = {
            "kind": None if kinds is None else list(kinds),
            "about": about,
            "person": person,
            "episode": episode,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        rows = self._connection.execute(_open_items(frozenset(given)), {**given, "most": limit})
        return [_item(row) for row in rows]

    def close(self, item: int, *, by: str, how: str, now: datetime) -> WorkItem:
        """Closes and returns the item. Raises NotStored, or ChangedMeanwhile if it was closed before."""
        changed = self._connection.execute(
            sa.update(work_items)
            .where(work_items.c.id == item, work_items.c.closed_at.is_(None))
            .values(closed_at=now, closed_by=by, resolution=how)
        )
        found = self.get(item)
        if changed.rowcount == 0:
            raise ChangedMeanwhile("it was closed before", field="work item")
        return found

    def close_about(self, kind: str, about: str, *, by: str, how: str, now: datetime) -> bool:
        """Closes the open item of this kind about this subject; True if there was one."""
        changed = self._connection.execute(
            sa.update(work_items)
            .where(work_items.c.kind == kind, work_items.c.about == about, work_items.c.closed_at.is_(None))
            .values(closed_at=now, closed_by=by, resolution=how)
        )
        return changed.rowcount > 0

    def repoint(self, from_person: PersonId, person: PersonId) -> None:
        """Moves the open items about a person to another, by a clinician's decision."""
        self._connection.execute(
            sa.update(work_items)
            .where(work_items.c.person == from_person, work_items.c.closed_at.is_(None))
            .values(person=person)
        )


@cache
def _open_items(given: frozenset[str]) -> sa.Select[Any]:
    """The query of open items by these columns; cached, because every lane that is sent asks it."""
    c = work_items.c
    query = sa.select(work_items).where(sa.text(IS_OPEN)).order_by(c.since, c.id)
    for name in sorted(given):
        is_it = in_array_param(c.kind, name) if name == "kind" else c[name] == sa.bindparam(name)
        query = query.where(is_it)
    return query.limit(sa.bindparam("most", type_=sa.Integer()))


def _item(row: sa.Row[Any]) -> WorkItem:
    return WorkItem(
        id=row.id,
        kind=row.kind,
        role=row.role,
        about=row.about,
        person=row.person,
        episode=row.episode,
        since=row.since,
        what=row.what,
        details=orjson.loads(row.details),
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        resolution=row.resolution,
    )
