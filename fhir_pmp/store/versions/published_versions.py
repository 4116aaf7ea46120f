"""Reads published resources: current, by version, by search; always for a given reader."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import ClientId, EpisodeId, PersonId, ResourceId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import chunked
from fhir_pmp.store.engine.columns import from_milliseconds, to_milliseconds
from fhir_pmp.store.tables.published import publish_clock, published, selective_tokens
from fhir_pmp.store.versions.read_scope import Reader, ReadScope, visible_to
from fhir_pmp.store.versions.search_query import PageKey, Prefix, Search, SortKey, SpanFilter, TokenFilter
from fhir_pmp.store.versions.search_tokens import SELECTIVE, has_token, selective_key


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """One immutable version, as served."""

    seq: int
    type: str
    id: ResourceId
    version: int
    last_updated: datetime
    current: bool
    sharing: Sharing
    person: PersonId | None
    episode: EpisodeId | None
    owner: ClientId | None
    refs: tuple[str, ...]
    content_hash: str  # sha256 hex of the bytes without meta
    content: bytes

    @property
    def reference(self) -> str:
        """`Type/id/_history/n`, as the audit names it."""
        return f"{self.type}/{self.id}/_history/{self.version}"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search and, if there are more, the key of its end."""

    versions: tuple[PublishedVersion, ...]
    next: PageKey | None
    snapshot: int  # of the whole listing


class PublishedVersions:
    """Reads published resources, filtered by what the reader may see."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, reader: Reader, type: str, id: str) -> PublishedVersion | None:
        """Returns the current version, if there is one and this reader may see it."""
        return self._first(_current_query(reader.scope), reader, type=type, id=id)

    def find_version(self, reader: Reader, type: str, id: str, version: int) -> PublishedVersion | None:
        """Returns one version, if there is one and this reader may see it."""
        return self._first(_numbered_version_query(reader.scope), reader, type=type, id=id, version=version)

    def history(self, reader: Reader, type: str, id: str) -> list[PublishedVersion]:
        """Lists every version, newest first."""
        parameters = {**reader.parameters, "type": type, "id": id}
        return [_version(row) for row in self._connection.execute(_history_query(reader.scope), parameters)]

    def find_many(self, reader: Reader, references: Iterable[str]) -> dict[str, PublishedVersion]:
        """Returns the current versions of these `Type/id`, by reference."""
        wanted = set(references)
        found: dict[str, PublishedVersion] = {}
        for chunk in chunked(sorted({reference.partition("/")[2] for reference in wanted})):
            query = sa.select(published).where(
                in_array(published.c.id, chunk), published.c.superseded_at.is_(None), visible_to(reader.scope)
            )
            for row in self._connection.execute(query, reader.parameters):
                if (reference := f"{row.type}/{row.id}") in wanted:
                    found[reference] = _version(row)
        return found

    def of_person(
        self, reader: Reader, person: PersonId, types: Sequence[str] | None = None
    ) -> list[PublishedVersion]:
        """Lists the current resources about a person, in the order published."""
        query = sa.select(published).where(
            published.c.person == person, published.c.superseded_at.is_(None), visible_to(reader.scope)
        )
        if types is not None:
            query = query.where(published.c.type.in_(types))
        return [
            _version(row)
            for row in self._connection.execute(query.order_by(published.c.seq), reader.parameters)
        ]

    def search(self, reader: Reader, search: Search) -> Page:
        """Returns one page. All pages together hold each match at one time exactly once.

        The first page fixes the time: the publish clock. A row is listed if it was current then, even if a newer version
        was published since; the next poll by `_lastUpdated` finds that one. Consent is checked again for every page.
        """
        snapshot = search.after.snapshot if search.after else self.clock()
        query = self._matching(reader, search, snapshot)
        key = _sort_column(search.sort)
        if search.after is not None:
            here = sa.tuple_(key, published.c.id)
            end = sa.tuple_(sa.literal(search.after.sorted_by), sa.literal(search.after.id))
            query = query.where(here < end if search.descending else here > end)
        order = (key.desc(), published.c.id.desc()) if search.descending else (key, published.c.id)
        rows = self._connection.execute(
            query.order_by(*order).limit(search.count + 1), reader.parameters
        ).all()
        versions = tuple(_version(row) for row in rows[: search.count])
        more = len(rows) > search.count and versions
        return Page(versions, _page_end(search, snapshot, rows[search.count - 1]) if more else None, snapshot)

    def count(self, reader: Reader, search: Search) -> int:
        """Counts the matches now, or at the time of the page key."""
        snapshot = search.after.snapshot if search.after else self.clock()
        matching = self._matching(reader, search, snapshot).with_only_columns(published.c.seq).subquery()
        return self._connection.execute(
            sa.select(sa.func.count()).select_from(matching), reader.parameters
        ).scalar_one()

    def counts_by_type(self) -> dict[str, int]:
        """Counts the current resources of each type."""
        query = sa.select(published.c.type, sa.func.count()).where(published.c.superseded_at.is_(None))
        rows = self._connection.execute(query.group_by(published.c.type))
        return {type: count for type, count in rows}  # noqa: C416 - rows are not tuples to mypy

    def clock(self) -> int:
        """The newest committed `lastUpdated`, milliseconds since 1970 UTC. No older row can appear later."""
        last: int = self._connection.execute(sa.select(publish_clock.c.last_updated)).scalar_one()
        return last

    def _first(self, query: sa.Select[Any], reader: Reader, **parameters: object) -> PublishedVersion | None:
        row = self._connection.execute(query, {**reader.parameters, **parameters}).first()
        return None if row is None else _version(row)

    def _matching(self, reader: Reader, search: Search, snapshot: int) -> sa.Select[Any]:
        selective = [t for t in search.tokens if t.name in SELECTIVE]
        type_column: sa.ColumnElement[Any] = published.c.type
        conditions: list[sa.ColumnElement[bool]] = []
        if selective or search.ids or search.person is not None:
            # An expression uses no index: with the bare column SQLite, which has no statistics, would walk the whole type
            # in the requested order instead of sorting the few rows of one person.
            type_column = published.c.type + ""
        conditions += [published.c.seq.in_(_seqs_with_token(token)) for token in selective]
        conditions += [has_token(token) for token in search.tokens]
        if search.ids:
            conditions.append(published.c.id.in_(search.ids))
        if search.person is not None:
            conditions.append(published.c.person == search.person)
        conditions += [_compare_spans(s, published.c.date_from, published.c.date_to) for s in search.dates]
        updated = published.c.last_updated
        conditions += [_compare_moment(span, updated) for span in search.last_updated]
        was_current = sa.or_(published.c.superseded_at.is_(None), published.c.superseded_at > snapshot)
        return sa.select(published).where(
            type_column == search.type,
            *conditions,
            updated <= snapshot,
            was_current,
            visible_to(reader.scope),
        )


def _seqs_with_token(token: TokenFilter) -> sa.Select[tuple[int]]:
    keys = [selective_key(token.name, choice.value) for choice in token.choices]
    return sa.select(selective_tokens.c.seq).where(selective_tokens.c.key.in_(keys))


def _compare_spans(
    span: SpanFilter, first: sa.ColumnElement[Any], after: sa.ColumnElement[Any]
) -> sa.ColumnElement[bool]:
    """FHIR's comparison of two spans: the resource's [first, after) and the parameter's."""
    low, high = to_milliseconds(span.first), to_milliseconds(span.after)
    inside = sa.and_(first >= low, after <= high)
    match span.prefix:
        case Prefix.EQ:
            return inside
        case Prefix.NE:
            return sa.not_(inside)
        case Prefix.GT:
            return after > high
        case Prefix.LT:
            return first < low
        case Prefix.GE:
            return sa.or_(after > high, inside)
        case Prefix.LE:
            return sa.or_(first < low, inside)
        case Prefix.SA:
            return first >= high
        case Prefix.EB:
            return after <= low


def _compare_moment(span: SpanFilter, moment: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """The same for a single time of a resource, spelt so that its index is used."""
    low, high = to_milliseconds(span.first), to_milliseconds(span.after)
    match span.prefix:
        case Prefix.EQ:
            return sa.and_(moment >= low, moment < high)
        case Prefix.NE:
            return sa.or_(moment < low, moment >= high)
        case Prefix.GT | Prefix.SA:
            return moment >= high
        case Prefix.GE:
            return moment >= low
        case Prefix.LT | Prefix.EB:
            return moment < low
        case Prefix.LE:
            return moment < high


def _sort_column(sort: SortKey) -> sa.ColumnElement[Any]:
    # A resource without a clinical date sorts before all others.
    return (
        published.c.last_updated
        if sort is SortKey.LAST_UPDATED
        else sa.func.coalesce(published.c.date_from, 0)
    )


def _page_end(search: Search, snapshot: int, last: sa.Row[Any]) -> PageKey:
    by = last.last_updated if search.sort is SortKey.LAST_UPDATED else last.date_from or 0
    return PageKey(snapshot, by, last.id)


@cache
def _version_query(scope: ReadScope) -> sa.Select[Any]:
    named = (published.c[name] == sa.bindparam(name) for name in ("type", "id"))
    return sa.select(published).where(*named, visible_to(scope))


@cache
def _current_query(scope: ReadScope) -> sa.Select[Any]:
    return _version_query(scope).where(published.c.superseded_at.is_(None))


@cache
def _numbered_version_query(scope: ReadScope) -> sa.Select[Any]:
    return _version_query(scope).where(published.c.version == sa.bindparam("version"))


@cache
def _history_query(scope: ReadScope) -> sa.Select[Any]:
    return _version_query(scope).order_by(published.c.version.desc())


def _version(row: sa.Row[Any]) -> PublishedVersion:
    return PublishedVersion(
        seq=row.seq,
        type=row.type,
        id=ResourceId(row.id),
        version=row.version,
        last_updated=from_milliseconds(row.last_updated),
        current=row.superseded_at is None,
        sharing=Sharing(row.sharing),
        person=row.person,
        episode=row.episode,
        owner=row.owner,
        refs=tuple(row.refs.split()),
        content_hash=row.content_hash,
        content=row.content,
    )
