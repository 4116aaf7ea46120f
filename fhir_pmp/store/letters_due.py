"""Letters that something made due; sync drafts them, so that nobody waits for a letter to be written."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from fhir_pmp.identifiers import EpisodeId
from fhir_pmp.store.among import among
from fhir_pmp.store.batches import BulkInsert, handfuls
from fhir_pmp.store.columns import milliseconds
from fhir_pmp.store.letters import LetterKind
from fhir_pmp.store.tables.letters import OPEN, letters_due


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
        """A letter is due; it is no more due if it was already."""
        self.add_many([episode], kind, now=now)

    def add_many(self, episodes: Iterable[EpisodeId], kind: LetterKind, *, now: datetime) -> None:
        """A letter is due for each of these episodes; it is no more due if it was already."""
        wanted = list(dict.fromkeys(episodes))
        standing: set[str] = set()
        for some in handfuls(wanted):
            query = sa.select(letters_due.c.episode).where(
                among(letters_due.c.episode, some), letters_due.c.kind == kind.value, sa.text(OPEN)
            )
            standing |= set(self._connection.execute(query).scalars())
        rows = [(episode, kind.value, milliseconds(now)) for episode in wanted if episode not in standing]
        _ADD(self._connection, rows)

    def list_all(self, *, limit: int = 50) -> list[LetterDue]:
        """What is due, oldest first."""
        query = sa.select(letters_due).where(sa.text(OPEN)).order_by(letters_due.c.seq).limit(limit)
        return [
            LetterDue(row.seq, row.episode, LetterKind(row.kind), row.due_at)
            for row in self._connection.execute(query)
        ]

    def done(self, seq: int, *, now: datetime) -> bool:
        """Keeps that it was drafted; False if somebody was faster."""
        changed = self._connection.execute(
            sa.update(letters_due)
            .where(letters_due.c.seq == seq, letters_due.c.done_at.is_(None))
            .values(done_at=now)
        )
        return changed.rowcount > 0
