"""A fact becomes a version and its outbox rows, in the transaction that records the fact."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from fhir_pmp.fhir.rendered import Rendered
from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.pathway.facts import Episode, Sharing
from fhir_pmp.publishing.clinical_dates import ClinicalDates
from fhir_pmp.publishing.stamps import instant, restamped
from fhir_pmp.store.books import Books
from fhir_pmp.store.deliveries import lane_of
from fhir_pmp.store.publishing_side import Current, NewVersion
from fhir_pmp.store.tokens import SELECTIVE, selective_key, selective_keys, tokens_text


@dataclass(frozen=True, slots=True)
class PublishedResource:
    """What publishing did with one resource: the version it has now, and whether that is new."""

    type: str
    id: str
    version: int
    changed: bool

    @property
    def reference(self) -> str:
        """`Type/id/_history/n`, as the audit names it."""
        return f"{self.type}/{self.id}/_history/{self.version}"


class Publisher:
    """Publishes rendered resources and queues them for every destination. It keeps nothing between transactions."""

    def __init__(self, destinations: Sequence[DestinationId], *, zone: ZoneInfo) -> None:
        self._destinations = tuple(destinations)
        self._dates = ClinicalDates(zone)

    def publish(
        self, books: Books, resources: Iterable[Rendered], *, now: datetime
    ) -> list[PublishedResource]:
        """What became of each resource, in order: the same content is unchanged, other content a new version.

        Needs a transaction of `Store.begin`, and should be the last thing it does. A new version is queued for each
        destination, unless it is of the record side and the episode's consent does not cover it or its person is in
        doubt; such a version waits for `publish_again`.
        """
        batch = list(resources)
        if not batch:
            return []
        run = _Run(books, self._dates, books.publishing.stamp(now))
        run.current = dict(books.publishing.current_of((r.type, r.id) for r in batch))
        done = [run.take(rendered) for rendered in batch]
        run.keep(self._destinations, now)
        return done

    def publish_again(self, books: Books, episode: Episode, *, now: datetime) -> list[PublishedResource]:
        """Publishes the record side of an episode anew, as it is, and queues it: its consent has become yes.

        New versions, because an EHR that polls by `_lastUpdated` would never look at the old ones again.
        """
        run = _Run(books, self._dates, books.publishing.stamp(now))
        done = [run.take_again(row) for row in books.publishing.shared_records(episode.id, episode.person)]
        run.keep(self._destinations, now)
        return done

    def hand_over(
        self, books: Books, double: PersonId, kept: PersonId, *, now: datetime
    ) -> list[PublishedResource]:
        """Publishes the letters' documents about one person anew as those of another, found to be the same.

        Not a byte of theirs changes but the stamp: a signed document is never rewritten. Without a version of its own
        nobody whom the consent lets read it would find it, because who may see a row follows from whose it is.
        """
        run = _Run(books, self._dates, books.publishing.stamp(now))
        done = [run.take_again(row._replace(person=kept)) for row in books.publishing.documents(double)]
        run.keep(self._destinations, now)
        return done

    def withhold(self, books: Books, episode: Episode) -> int:
        """Stops unsent deliveries of the record side: its consent has become no. Returns how many.

        Call it after `books.episodes.set_consent`, in the same transaction; reads stop with the consent itself.
        """
        return books.deliveries.withhold(
            episode.id, episode.person, reason="the consent to share was withdrawn"
        )


class _Run:
    """One call of publish: the rows that come of it."""

    def __init__(self, books: Books, dates: ClinicalDates, stamp: int) -> None:
        self._books = books
        self._dates = dates
        self._stamp = stamp
        self._instant = instant(stamp)
        self.current: dict[tuple[str, str], Current] = {}
        self._versions: list[NewVersion] = []
        self._selective: list[tuple[int, int]] = []
        self._superseded: list[int] = []

    def take(self, r: Rendered) -> PublishedResource:
        """One resource, as it is now."""
        content_hash = sha256(r.head + r.tail).hexdigest()
        before = self.current.get((r.type, r.id))
        side = (r.sharing.value, r.person, r.episode, r.owner)
        # The same content on another side of the house is news too: others may read it from now on.
        if before is not None and before.content_hash == content_hash and before.side == side:
            return PublishedResource(r.type, r.id, before.version, changed=False)
        version = before.version + 1 if before else 1
        date_from, date_to = self._dates.span_of(r.date_text) if r.date_text else (None, None)
        seq = self._books.publishing.take_seq()
        self._add(
            NewVersion(
                seq,
                r.id,
                r.type,
                version,
                self._stamp,
                *side,
                date_from,
                date_to,
                tokens_text(r.tokens),
                " ".join(r.refs),
                content_hash,
                r.stamped(version, self._instant),
            ),
            [selective_key(name, value) for name, _, value in r.tokens if name in SELECTIVE],
            before,
        )
        return PublishedResource(r.type, r.id, version, changed=True)

    def take_again(self, row: NewVersion) -> PublishedResource:
        """One current version, once more as it is."""
        version = row.version + 1
        content = restamped(row.content, (row.version, row.last_updated), (version, self._stamp))
        seq = self._books.publishing.take_seq()
        again = row._replace(seq=seq, version=version, last_updated=self._stamp, content=content)
        self._add(again, selective_keys(row.tokens), _current(row))
        return PublishedResource(row.type, row.id, version, changed=True)

    def keep(self, destinations: Sequence[DestinationId], now: datetime) -> None:
        """Writes what was taken, and queues what may leave the house."""
        self._books.publishing.add(self._versions, self._selective, self._superseded)
        if destinations and self._versions:
            leaving = self._leaving().difference(self._superseded)
            queued = [(lane_of(v.type, v.person), v.seq) for v in self._versions if v.seq in leaving]
            self._books.outbox.queue(queued, destinations, superseded=self._superseded, now=now)

    def _add(self, version: NewVersion, selective: Sequence[int], before: Current | None) -> None:
        if before is not None:
            self._superseded.append(before.seq)
        self.current[version.type, version.id] = _current(version)
        self._versions.append(version)
        self._selective += [(key, version.seq) for key in selective]

    def _leaving(self) -> set[int]:
        """The row numbers of what may be sent: all but the record side of people who do not share."""
        records = [v for v in self._versions if v.sharing == Sharing.RECORD.value]
        side = self._books.publishing
        episodes = side.shared_episodes({v.episode for v in records if v.episode is not None})
        people = side.sharing_people(
            {v.person for v in records if v.episode is None and v.person is not None}
        )
        return {
            v.seq
            for v in self._versions
            if v.sharing != Sharing.RECORD.value
            or (v.episode in episodes if v.episode is not None else v.person in people)
        }


def _current(row: NewVersion) -> Current:
    return Current(row.seq, row.version, row.content_hash, (row.sharing, row.person, row.episode, row.owner))
