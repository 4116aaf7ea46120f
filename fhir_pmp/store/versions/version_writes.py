"""Writes published versions: the publish clock, current versions, new versions."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from fhir_pmp.identifiers import ClientId, EpisodeId, PersonId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.people import episodes
from fhir_pmp.store.tables.published import publish_clock, published, selective_tokens
from fhir_pmp.store.versions.read_scope import is_shared

_ADD = BulkInsert(
    published,
    "seq",
    "id",
    "type",
    "version",
    "last_updated",
    "sharing",
    "person",
    "episode",
    "owner",
    "date_from",
    "date_to",
    "tokens",
    "refs",
    "content_hash",
    "content",
)
_ADD_TOKENS = BulkInsert(selective_tokens, "key", "seq")
_SUPERSEDE = sa.text("UPDATE published SET superseded_at = :at WHERE seq = :seq")


class CurrentVersion(NamedTuple):
    """The current version of a resource, as far as publishing needs it."""

    seq: int
    version: int
    content_hash: str
    visibility: tuple[
        str, PersonId | None, EpisodeId | None, ClientId | None
    ]  # sharing, person, episode, owner


class NewVersion(NamedTuple):
    """One row of `published`, in the order its columns are inserted."""

    seq: int
    id: str
    type: str
    version: int
    last_updated: int
    sharing: str
    person: PersonId | None
    episode: EpisodeId | None
    owner: ClientId | None
    date_from: int | None
    date_to: int | None
    tokens: str
    refs: str
    content_hash: str
    content: bytes


class VersionWrites:
    """Writes versions in one transaction of `Store.begin`; called by `publishing` only."""

    def __init__(self, connection: sa.Connection, *, may_publish: bool) -> None:
        self._connection = connection
        self._may_publish = may_publish
        self._last_updated: int | None = None
        self._next_seq = 0

    def assign_last_updated(self, now: datetime) -> int:
        """Returns the `lastUpdated` of this transaction, milliseconds: now, or just after the last one.

        Raises RuntimeError without the publishing lock: rows would commit out of order.
        """
        if not self._may_publish:
            raise RuntimeError("publishing needs a transaction of Store.begin")
        if self._last_updated is None:
            last, last_seq = self._connection.execute(
                sa.select(publish_clock.c.last_updated, publish_clock.c.last_seq)
            ).one()
            self._last_updated = max(to_milliseconds(now), last + 1)
            self._next_seq = last_seq + 1
        return self._last_updated

    def next_seq(self) -> int:
        """Returns the next row number; call `assign_last_updated` first."""
        seq = self._next_seq
        self._next_seq += 1
        return seq

    def find_current(self, resources: Iterable[tuple[str, str]]) -> dict[tuple[str, str], CurrentVersion]:
        """Returns the current version of each of these (type, id) that has one."""
        wanted = set(resources)
        found: dict[tuple[str, str], CurrentVersion] = {}
        columns = published.c
        for chunk in chunked(sorted({id for _, id in wanted})):
            query = sa.select(
                columns.type,
                columns.id,
                columns.seq,
                columns.version,
                columns.content_hash,
                columns.sharing,
                columns.person,
                columns.episode,
                columns.owner,
            ).where(in_array(columns.id, chunk), columns.superseded_at.is_(None))
            for type, id, seq, version, content_hash, *visibility in self._connection.execute(query):
                if (type, id) in wanted:
                    found[type, id] = CurrentVersion(seq, version, content_hash, tuple(visibility))
        return found

    def add(
        self,
        versions: Sequence[NewVersion],
        selective: Iterable[tuple[int, int]],
        superseded: Sequence[int],
    ) -> None:
        """Stores new versions with their selective keys (key, seq) and marks the former as superseded."""
        if not versions:
            return
        last_updated = versions[0].last_updated
        _ADD(self._connection, versions)
        if superseded:
            self._connection.execute(_SUPERSEDE, [{"at": last_updated, "seq": seq} for seq in superseded])
        _ADD_TOKENS(self._connection, sorted(set(selective)))
        self._connection.execute(
            sa.update(publish_clock).values(last_updated=last_updated, last_seq=self._next_seq - 1)
        )

    def find_shared_episodes(self, ids: Iterable[EpisodeId]) -> set[EpisodeId]:
        """Returns the episodes whose records may be sent.

        They have consent and no doubt about the person.
        """
        return {EpisodeId(id) for id in self._select_shared(episodes.c.id, episodes.c.id, list(set(ids)))}

    def find_sharing_people(self, ids: Iterable[PersonId]) -> set[PersonId]:
        """Returns the people who share at least one episode."""
        return {
            PersonId(id) for id in self._select_shared(episodes.c.person, episodes.c.person, list(set(ids)))
        }

    def list_shared_records(self, episode: EpisodeId, person: PersonId) -> list[NewVersion]:
        """Lists the current shared records of an episode and of its person.

        Of the person only those that belong to no episode.
        """
        own = sa.or_(
            published.c.episode == episode,
            sa.and_(published.c.episode.is_(None), published.c.person == person),
        )
        return self._rows(
            own, published.c.person == person, published.c.sharing == Sharing.RECORD.value, is_shared()
        )

    def list_documents(self, person: PersonId) -> list[NewVersion]:
        """Lists the current document Bundles about a person, shared or not."""
        return self._rows(published.c.person == person, published.c.type == "Bundle")

    def _rows(self, *conditions: sa.ColumnElement[bool]) -> list[NewVersion]:
        query = sa.select(*(published.c[name] for name in NewVersion._fields)).where(
            *conditions, published.c.superseded_at.is_(None)
        )
        return [NewVersion(*row) for row in self._connection.execute(query.order_by(published.c.seq))]

    def _select_shared(
        self, wanted: sa.ColumnElement[Any], key: sa.ColumnElement[Any], ids: Sequence[str]
    ) -> list[str]:
        found: list[str] = []
        for chunk in chunked(ids):
            query = sa.select(wanted).where(
                in_array(key, chunk), episodes.c.share_with_ehr, sa.not_(episodes.c.doubtful)
            )
            found += self._connection.execute(query).scalars()
        return found
