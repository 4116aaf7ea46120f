"""Stores the version of each resource that a destination holds.

It is the version acknowledged last, or one found there since.

Acknowledged versions are in the outbox already. A second row for every resource, under an id that is as good as random,
doubled the pages written for a lane of eighty resources (docs/decisions/0032).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.engine.array_params import in_pairs_param
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.delivery import outbox, remote_versions
from fhir_pmp.store.tables.published import published

NO_LONGER_THERE = -1
"""Instead of our version number: acknowledged, but no longer there."""

_PUT = BulkInsert(
    remote_versions,
    "destination",
    "type",
    "id",
    "version",
    "etag",
    "sent_hash",
    "at",
    on_conflict="ON CONFLICT (destination, type, id) DO UPDATE SET "
    "version = excluded.version, etag = excluded.etag, sent_hash = excluded.sent_hash, at = excluded.at",
)
_TO: sa.BindParameter[str] = sa.bindparam("to", type_=sa.String())
_SELECT_ACKNOWLEDGED = (
    sa.select(published.c.type, published.c.id, published.c.version, outbox.c.etag, outbox.c.sent_hash)
    .join_from(published, outbox, outbox.c.published_seq == published.c.seq)
    .where(
        in_pairs_param(published.c.id, published.c.type, "these"),
        outbox.c.destination == _TO,
        outbox.c.sent_hash.is_not(None),
    )
    .order_by(published.c.version)
)
_IS_ONE_OF = (
    remote_versions.c.destination == _TO,
    in_pairs_param(remote_versions.c.type, remote_versions.c.id, "these"),
)
_SELECT_FOUND = sa.select(
    *(remote_versions.c[name] for name in ("type", "id", "version", "etag", "sent_hash"))
).where(*_IS_ONE_OF)
_DELETE_FOUND = sa.delete(remote_versions).where(*_IS_ONE_OF)


class RemoteVersion(Struct, frozen=True):
    """The version of a resource that a destination holds, by its last response."""

    type: str
    id: str
    version: int  # our number of the version last sent
    etag: str | None  # the destination's version tag
    sent_hash: str  # sha256 hex of the content as rendered for it, without meta

    @property
    def reference(self) -> str:
        """`Type/id`."""
        return f"{self.type}/{self.id}"


class RemoteVersions:
    """The versions of our resources that destinations hold."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find_many(self, destination: DestinationId, references: Iterable[str]) -> dict[str, RemoteVersion]:
        """Returns the versions that the destination holds of these `Type/id`."""
        wanted = sorted(set(references))
        found: dict[str, RemoteVersion] = {}
        for chunk in _pairs((id_, kind) for kind, id_ in _parts(wanted)):
            rows = self._connection.execute(_SELECT_ACKNOWLEDGED, {"to": destination, "these": chunk})
            found |= {
                held.reference: held for held in (RemoteVersion(*row) for row in rows)
            }  # the newest last
        for chunk in _pairs(_parts(wanted)):
            rows = self._connection.execute(_SELECT_FOUND, {"to": destination, "these": chunk})
            found |= {held.reference: held for held in (RemoteVersion(*row) for row in rows)}
        return {reference: held for reference, held in found.items() if held.version != NO_LONGER_THERE}

    def clear_found(self, destination: DestinationId, references: Iterable[str]) -> None:
        """Deletes what was found there before: the outbox holds a newer acknowledgement."""
        for chunk in _pairs(_parts(references)):
            self._connection.execute(_DELETE_FOUND, {"to": destination, "these": chunk})

    def put_many(self, destination: DestinationId, held: Sequence[RemoteVersion], *, now: datetime) -> None:
        """Stores the versions found there, whatever was acknowledged before."""
        at = to_milliseconds(now)
        _PUT(
            self._connection,
            [(destination, h.type, h.id, h.version, h.etag, h.sent_hash, at) for h in held],
        )

    def forget(self, destination: DestinationId, reference: str, *, now: datetime) -> None:
        """Records that a resource is no longer there."""
        ((kind, id_),) = _parts([reference])
        self.put_many(destination, [RemoteVersion(kind, id_, NO_LONGER_THERE, None, "")], now=now)


def _parts(references: Iterable[str]) -> Iterator[tuple[str, str]]:
    for reference in references:
        kind, _, id_ = reference.partition("/")
        yield kind, id_


def _pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    return chunked(list(pairs))
