"""Stores the queue of letters that the sync process drafts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from fhir_pmp.identifiers import EpisodeId
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.letters import IS_UNDONE, letters_due


@dataclass(frozen=True, slots=True)
class LetterDue:
    """One letter to draft."""

    seq: int
    episode: EpisodeId
    kind: LetterKind
    due_at: datetime


_ADD = BulkInsert(letters_due, "episode", "kind", "due_at")


class LettersDue:
    """The letters to draft, at most one of a kind for an episode."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, episode: EpisodeId, kind: LetterKind, *, now: datetime) -> None:
        """Makes a letter due, unless it is already."""
        self.add_many([episode], kind, now=now)

    def add_many(self, episodes: Iterable[EpisodeId], kind: LetterKind, *, now: datetime) -> None:
        """Makes a letter due for each of these episodes, unless it is already."""
        wanted = list(dict.fromkeys(episodes))
        already_due: set[str] = set()
        for chunk in chunked(wanted):
            query = sa.select(letters_due.c.episode).where(
                in_array(letters_due.c.episode, chunk), letters_due.c.kind == kind.value, sa.text(IS_UNDONE)
            )
            already_due |= set(self._connection.execute(query).scalars())
        rows = [
            (episode, kind.value, to_milliseconds(now)) for episode in wanted if episode not in already_due
        ]
        _ADD(self._connection, rows)

    def list_all(self, *, limit: int = 50) -> list[LetterDue]:
        """Lists the letters due, oldest first."""
        query = sa.select(letters_due).where(sa.text(IS_UNDONE)).order_by(letters_due.c.seq).limit(limit)
        return [
            LetterDue(row.seq, row.episode, LetterKind(row.kind), row.due_at)
            for row in self._connection.execute(query)
        ]

    def mark_done(self, seq: int, *, now: datetime) -> bool:
        """Records that it was drafted; False if another process did so before."""
        changed = self._connection.execute(
            sa.update(letters_due)
            .where(letters_due.c.seq == seq, letters_due.c.done_at.is_(None))
            .values(done_at=now)
        )
        return changed.rowcount > 0
