"""Publishes resources as versions and queues their deliveries, in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.pathway.facts import Episode, Sharing
from fhir_pmp.publishing.clinical_dates import ClinicalDates
from fhir_pmp.publishing.version_meta import format_instant, replace_version_meta
from fhir_pmp.store.delivery.deliveries import lane_of
from fhir_pmp.store.unit_of_work import UnitOfWork
from fhir_pmp.store.versions.search_tokens import SELECTIVE, selective_key, selective_keys, tokens_text
from fhir_pmp.store.versions.version_writes import CurrentVersion, NewVersion


@dataclass(frozen=True, slots=True)
class PublishedResource:
    """The result for one resource: its current version, and whether it is new."""

    type: str
    id: str
    version: int
    changed: bool

    @property
    def reference(self) -> str:
        """`Type/id/_history/n`, as the audit names it."""
        return f"{self.type}/{self.id}/_history/{self.version}"


class Publisher:
    """Publishes rendered resources and queues them for every destination. Stateless between transactions."""

    def __init__(self, destinations: Sequence[DestinationId], *, zone: ZoneInfo) -> None:
        self._destinations = tuple(destinations)
        self._dates = ClinicalDates(zone)

    def publish(
        self, uow: UnitOfWork, resources: Iterable[RenderedResource], *, now: datetime
    ) -> list[PublishedResource]:
        """Publishes each resource whose content has changed; returns a result for each, in order.

        Call it last in a transaction of `Store.begin`. A new version is queued for each destination, unless
        it is a record without consent or with doubt about the person; that is queued by `republish_records`
        later.
        """
        batch = list(resources)
        if not batch:
            return []
        run = _PublishRun(uow, self._dates, uow.version_writes.assign_last_updated(now))
        run.current = dict(uow.version_writes.find_current((r.type, r.id) for r in batch))
        results = [run.add_resource(rendered) for rendered in batch]
        run.store(self._destinations, now)
        return results

    def republish_records(
        self, uow: UnitOfWork, episode: Episode, *, now: datetime
    ) -> list[PublishedResource]:
        """Publishes the records of an episode again, unchanged, after consent was given.

        New versions, because an EHR that polls by `_lastUpdated` never reads the old ones again.
        """
        run = _PublishRun(uow, self._dates, uow.version_writes.assign_last_updated(now))
        results = [
            run.republish(row) for row in uow.version_writes.list_shared_records(episode.id, episode.person)
        ]
        run.store(self._destinations, now)
        return results

    def reassign_documents(
        self, uow: UnitOfWork, duplicate: PersonId, kept: PersonId, *, now: datetime
    ) -> list[PublishedResource]:
        """Publishes the letters of a duplicate person record again as those of the kept one.

        Only version and time change: a signed document is never rewritten. Without a new version no reader
        would find it, because the visibility of a row follows from its person.
        """
        run = _PublishRun(uow, self._dates, uow.version_writes.assign_last_updated(now))
        results = [
            run.republish(row._replace(person=kept)) for row in uow.version_writes.list_documents(duplicate)
        ]
        run.store(self._destinations, now)
        return results

    def withhold(self, uow: UnitOfWork, episode: Episode) -> int:
        """Withholds unsent deliveries of records after consent was withdrawn. Returns how many.

        Call it after `uow.episodes.set_consent`, in the same transaction; reads obey the consent at once.
        """
        return uow.deliveries.withhold(
            episode.id, episode.person, reason="the consent to share was withdrawn"
        )


class _PublishRun:
    """One call of `publish`, and the rows it adds."""

    def __init__(self, uow: UnitOfWork, dates: ClinicalDates, last_updated: int) -> None:
        self._uow = uow
        self._dates = dates
        self._last_updated = last_updated
        self._instant = format_instant(last_updated)
        self.current: dict[tuple[str, str], CurrentVersion] = {}
        self._versions: list[NewVersion] = []
        self._selective: list[tuple[int, int]] = []
        self._superseded: list[int] = []

    def add_resource(self, r: RenderedResource) -> PublishedResource:
        """Adds a resource; a version is new if the content changed."""
        content_hash = sha256(r.head + r.tail).hexdigest()
        before = self.current.get((r.type, r.id))
        visibility = (r.sharing.value, r.person, r.episode, r.owner)
        # The same content with another visibility is new too: other readers may see it from now on.
        if before is not None and before.content_hash == content_hash and before.visibility == visibility:
            return PublishedResource(r.type, r.id, before.version, changed=False)
        version = before.version + 1 if before else 1
        date_from, date_to = self._dates.span_of(r.date_text) if r.date_text else (None, None)
        seq = self._uow.version_writes.next_seq()
        self._add_version(
            NewVersion(
                seq,
                r.id,
                r.type,
                version,
                self._last_updated,
                *visibility,
                date_from,
                date_to,
                tokens_text(r.tokens),
                " ".join(r.refs),
                content_hash,
                r.with_version_meta(version, self._instant),
            ),
            [selective_key(name, value) for name, _, value in r.tokens if name in SELECTIVE],
            before,
        )
        return PublishedResource(r.type, r.id, version, changed=True)

    def republish(self, row: NewVersion) -> PublishedResource:
        """Adds a current version again, unchanged."""
        version = row.version + 1
        content = replace_version_meta(
            row.content, (row.version, row.last_updated), (version, self._last_updated)
        )
        seq = self._uow.version_writes.next_seq()
        again = row._replace(seq=seq, version=version, last_updated=self._last_updated, content=content)
        self._add_version(again, selective_keys(row.tokens), _current(row))
        return PublishedResource(row.type, row.id, version, changed=True)

    def store(self, destinations: Sequence[DestinationId], now: datetime) -> None:
        """Writes the new versions, and queues those that may be sent."""
        self._uow.version_writes.add(self._versions, self._selective, self._superseded)
        if destinations and self._versions:
            sendable = self._find_sendable().difference(self._superseded)
            queued = [(lane_of(v.type, v.person), v.seq) for v in self._versions if v.seq in sendable]
            self._uow.outbox.queue(queued, destinations, superseded=self._superseded, now=now)

    def _add_version(
        self, version: NewVersion, selective: Sequence[int], before: CurrentVersion | None
    ) -> None:
        if before is not None:
            self._superseded.append(before.seq)
        self.current[version.type, version.id] = _current(version)
        self._versions.append(version)
        self._selective += [(key, version.seq) for key in selective]

    def _find_sendable(self) -> set[int]:
        """Returns the row numbers that may be sent: all but records without consent."""
        records = [v for v in self._versions if v.sharing == Sharing.RECORD.value]
        writes = self._uow.version_writes
        episodes = writes.find_shared_episodes({v.episode for v in records if v.episode is not None})
        people = writes.find_sharing_people(
            {v.person for v in records if v.episode is None and v.person is not None}
        )
        return {
            v.seq
            for v in self._versions
            if v.sharing != Sharing.RECORD.value
            or (v.episode in episodes if v.episode is not None else v.person in people)
        }


def _current(row: NewVersion) -> CurrentVersion:
    return CurrentVersion(
        row.seq, row.version, row.content_hash, (row.sharing, row.person, row.episode, row.owner)
    )
