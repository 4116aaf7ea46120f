"""What destinations hold of ours: the newest version that each has acknowledged, unless something else was found there.

What was acknowledged stands in the outbox already. A row of its own for every resource, found by an id that is as good as
random, cost a lane of eighty resources as many pages again (docs/decisions/0032).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.among import pairs_given
from fhir_pmp.store.batches import BulkInsert, handfuls
from fhir_pmp.store.columns import milliseconds
from fhir_pmp.store.tables.delivery import outbox, remote_versions
from fhir_pmp.store.tables.published import published

GONE = -1
"""In place of our version number: it was acknowledged, and is there no more."""

_FOUND = BulkInsert(
    remote_versions,
    "destination",
    "type",
    "id",
    "version",
    "etag",
    "sent_hash",
    "at",
    otherwise="ON CONFLICT (destination, type, id) DO UPDATE SET "
    "version = excluded.version, etag = excluded.etag, sent_hash = excluded.sent_hash, at = excluded.at",
)
_TO: sa.BindParameter[str] = sa.bindparam("to", type_=sa.String())
_ACKNOWLEDGED = (
    sa.select(published.c.type, published.c.id, published.c.version, outbox.c.etag, outbox.c.sent_hash)
    .join_from(published, outbox, outbox.c.published == published.c.seq)
    .where(
        pairs_given(published.c.id, published.c.type, "these"),
        outbox.c.destination == _TO,
        outbox.c.sent_hash.is_not(None),
    )
    .order_by(published.c.version)
)
_THESE = (
    remote_versions.c.destination == _TO,
    pairs_given(remote_versions.c.type, remote_versions.c.id, "these"),
)
_FOUND_THERE = sa.select(
    *(remote_versions.c[name] for name in ("type", "id", "version", "etag", "sent_hash"))
).where(*_THESE)
_FORGET_FINDING = sa.delete(remote_versions).where(*_THESE)


class RemoteVersion(Struct, frozen=True):
    """What of ours a destination holds, by its own last answer."""

    type: str
    id: str
    version: int  # ours, the one last sent
    etag: str | None  # the destination's version tag
    sent_hash: str  # sha256 hex of the content as rendered for it, without meta

    @property
    def reference(self) -> str:
        """`Type/id`."""
        return f"{self.type}/{self.id}"


class RemoteVersions:
    """What destinations hold of ours."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find_many(self, destination: DestinationId, references: Iterable[str]) -> dict[str, RemoteVersion]:
        """What the destination holds of these `Type/id`."""
        wanted = sorted(set(references))
        found: dict[str, RemoteVersion] = {}
        for some in _pairs((id_, kind) for kind, id_ in _parts(wanted)):
            rows = self._connection.execute(_ACKNOWLEDGED, {"to": destination, "these": some})
            found |= {
                held.reference: held for held in (RemoteVersion(*row) for row in rows)
            }  # the newest last
        for some in _pairs(_parts(wanted)):
            rows = self._connection.execute(_FOUND_THERE, {"to": destination, "these": some})
            found |= {held.reference: held for held in (RemoteVersion(*row) for row in rows)}
        return {reference: held for reference, held in found.items() if held.version != GONE}

    def were_acknowledged(self, destination: DestinationId, references: Iterable[str]) -> None:
        """The outbox says what stands there: what was found before counts no more."""
        for some in _pairs(_parts(references)):
            self._connection.execute(_FORGET_FINDING, {"to": destination, "these": some})

    def put_many(self, destination: DestinationId, held: Sequence[RemoteVersion], *, now: datetime) -> None:
        """Remembers what was found there, whatever was acknowledged before."""
        at = milliseconds(now)
        _FOUND(
            self._connection,
            [(destination, h.type, h.id, h.version, h.etag, h.sent_hash, at) for h in held],
        )

    def forget(self, destination: DestinationId, reference: str, *, now: datetime) -> None:
        """Remembers of one that it is there no more."""
        ((kind, id_),) = _parts([reference])
        self.put_many(destination, [RemoteVersion(kind, id_, GONE, None, "")], now=now)


def _parts(references: Iterable[str]) -> Iterator[tuple[str, str]]:
    for reference in references:
        kind, _, id_ = reference.partition("/")
        yield kind, id_


def _pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    return handfuls(list(pairs))
