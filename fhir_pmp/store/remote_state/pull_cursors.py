"""Stores how far each EHR was read, and which of its versions were ingested."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.pulling import pull_cursors, seen_versions

_CURSOR = (
    "destination",
    "type",
    "watermark",
    "page_url",
    "window_from",
    "newest_seen",
    "server_date",
    "completed_at",
)
_PUT = BulkInsert(
    pull_cursors,
    *_CURSOR,
    on_conflict="ON CONFLICT (destination, type) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _CURSOR[2:]),
)
_MARK_SEEN = BulkInsert(
    seen_versions,
    "destination",
    "type",
    "id",
    "version_id",
    "last_updated",
    "at",
    # An EHR restored from a backup reuses version numbers; only `lastUpdated` then differs.
    on_conflict="ON CONFLICT (destination, type, id, version_id) DO UPDATE SET "
    "last_updated = excluded.last_updated, at = excluded.at",
)


@dataclass(frozen=True, slots=True)
class PullCursor:
    """How far one type of one EHR was read.

    All times but `completed_at` are by the EHR's clock.
    """

    type: str
    watermark: datetime | None = None  # everything before it was read; None: never read to the end
    page_url: str | None = None  # the next page of an unfinished run
    window_from: datetime | None = None  # the lower bound of that run
    newest_seen: datetime | None = None
    server_date: datetime | None = None  # at that run's first page
    completed_at: datetime | None = None  # our clock


@dataclass(frozen=True, slots=True)
class SeenVersion:
    """One resource version of an EHR."""

    id: str
    version_id: str
    last_updated: str | None


class PullCursors:
    """The cursors, and the versions that were ingested."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def cursor(self, destination: DestinationId, type: str) -> PullCursor:
        """Returns the cursor; a new one if nothing was ever read."""
        found = [one for one in self.cursors(destination) if one.type == type]
        return found[0] if found else PullCursor(type)

    def cursors(self, destination: DestinationId) -> list[PullCursor]:
        """Lists the cursors of a destination."""
        query = sa.select(pull_cursors).where(pull_cursors.c.destination == destination)
        return [_cursor(row) for row in self._connection.execute(query.order_by(pull_cursors.c.type))]

    def put_cursor(self, destination: DestinationId, cursor: PullCursor) -> None:
        """Stores the cursor."""
        moments = [
            None if at is None else to_milliseconds(at)
            for at in (cursor.window_from, cursor.newest_seen, cursor.server_date, cursor.completed_at)
        ]
        watermark = None if cursor.watermark is None else to_milliseconds(cursor.watermark)
        _PUT(self._connection, [(destination, cursor.type, watermark, cursor.page_url, *moments)])

    def select_unseen(
        self, destination: DestinationId, type: str, versions: Sequence[SeenVersion]
    ) -> list[SeenVersion]:
        """Returns the versions not ingested yet, each once, in the order given."""
        known: set[SeenVersion] = set()
        for chunk in chunked(sorted({one.id for one in versions})):
            query = sa.select(
                seen_versions.c.id, seen_versions.c.version_id, seen_versions.c.last_updated
            ).where(
                seen_versions.c.destination == destination,
                seen_versions.c.type == type,
                in_array(seen_versions.c.id, chunk),
            )
            known.update(SeenVersion(*row) for row in self._connection.execute(query))
        return [one for one in dict.fromkeys(versions) if one not in known]

    def mark_seen(
        self, destination: DestinationId, type: str, versions: Iterable[SeenVersion], *, now: datetime
    ) -> None:
        """Records that these versions were ingested."""
        at = to_milliseconds(now)
        _MARK_SEEN(
            self._connection,
            [(destination, type, one.id, one.version_id, one.last_updated, at) for one in versions],
        )

    def delete_seen_before(self, moment: datetime) -> int:
        """Deletes versions ingested before a time that no pull window reaches; returns how many."""
        return self._connection.execute(sa.delete(seen_versions).where(seen_versions.c.at < moment)).rowcount

    def count_seen(self, destination: DestinationId, type: str) -> int:
        """Counts the ingested versions of a type."""
        query = sa.select(sa.func.count()).where(
            seen_versions.c.destination == destination, seen_versions.c.type == type
        )
        return int(self._connection.execute(query).scalar_one())

    def last_complete_at(self, destination: DestinationId) -> datetime | None:
        """When all pulled types were last read to the end; None if one never was."""
        found = [one.completed_at for one in self.cursors(destination)]
        complete = [at for at in found if at is not None]
        return min(complete) if complete and len(complete) == len(found) else None


def _cursor(row: sa.Row[Any]) -> PullCursor:
    return PullCursor(
        row.type,
        row.watermark,
        row.page_url,
        row.window_from,
        row.newest_seen,
        row.server_date,
        row.completed_at,
    )
