"""Stores each pulled resource verbatim once, together with the cursor, before it is interpreted."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fhir_pmp.ehr.capability.server_capability import Capability
from fhir_pmp.ehr.config.content import LARGEST_RESOURCE, sha256_hex
from fhir_pmp.ehr.config.destinations import PatientOwnership
from fhir_pmp.ehr.config.work_item_kinds import EDITED, PULL_REFUSED
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.exchange.reads import version_id_of
from fhir_pmp.ehr.exchange.search_pages import last_updated_text, remote_reference_of
from fhir_pmp.ehr.identity.patient_link import reason_not_in_use, reason_other_patient, retire_link
from fhir_pmp.ehr.identity.remote_ownership import find_ours, identifiers_of
from fhir_pmp.ehr.sync_back.edit_alerts import close_edit_alerts, open_edit_alert
from fhir_pmp.ehr.sync_back.version_match import VersionMatcher
from fhir_pmp.fhir.serialization.json_reader import read_json
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.identifiers import DestinationId, Identifier, PersonId
from fhir_pmp.pathway.facts import Person
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.inbox import Arrival, ArrivalState
from fhir_pmp.store.remote_state.pull_cursors import PullCursor, SeenVersion
from fhir_pmp.store.remote_state.reconciliation import ExpectedResource
from fhir_pmp.store.remote_state.remote_versions import RemoteVersion

CHANNEL = "pull"
BATCH_SIZE = 50
"""Arrivals understood in one transaction: the write lock is held for milliseconds."""
KEPT_FROM_ANY_AUTHOR = frozenset({"ServiceRequest", "Task"})

Resource = dict[str, Any]


class PullIngest:
    """Takes up what was read at one destination."""

    def __init__(
        self, store: Store, connection: EhrConnection, capability: Capability, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._connection = connection
        self._matcher = VersionMatcher(connection, capability)
        self._clock = clock

    def keep(
        self, kind: str, resources: Sequence[Resource], cursor: PullCursor | None = None
    ) -> Counter[str]:
        """Stores a page with its cursor in one transaction; returns counts of new and kept.

        A resource that is unchanged since we wrote it is in the outbox already, and another person's Patient does not concern us:
        neither is copied.
        """
        to, now = self._connection.id, self._clock()
        seen = {_seen_version(resource): resource for resource in resources}
        with self._store.read() as uow:
            new = uow.pull_cursors.select_unseen(to, kind, list(seen))
            to_keep = self._worth_keeping(uow, kind, {version: seen[version] for version in new})
        with self._store.begin_without_publishing() as uow:
            for version in to_keep:
                uow.inbox.add(CHANNEL, to, write_canonical(seen[version]), now=now)
            uow.pull_cursors.mark_seen(to, kind, new, now=now)
            if cursor is not None:
                uow.pull_cursors.put_cursor(to, cursor)
                if cursor.completed_at is not None and cursor.page_url is None:
                    uow.work_items.close_about(
                        PULL_REFUSED, f"destination/{to}/{kind}", by="sync", how="read to its end", now=now
                    )
        return Counter(new=len(new), kept=len(to_keep))

    def process_kept(self) -> Counter[str]:
        """Works through what is kept and not understood yet, oldest first; what that came to."""
        counts: Counter[str] = Counter()
        last = 0
        while True:
            with self._store.read() as uow:
                arrivals = uow.inbox.list_unprocessed(
                    CHANNEL, sender=self._connection.id, after=last, limit=BATCH_SIZE
                )
            if not arrivals:
                return counts
            with self._store.begin_without_publishing() as uow:
                counts.update([self._process(uow, arrival) for arrival in arrivals])
            last = arrivals[-1].id

    def _worth_keeping(
        self, uow: UnitOfWork, kind: str, new: Mapping[SeenVersion, Resource]
    ) -> list[SeenVersion]:
        remote_references = {remote_reference_of(resource) for resource in new.values()}
        if kind == "Patient" and self._connection.destination.patients is PatientOwnership.THEIRS:
            linked = {
                link.remote_reference
                for link in uow.remote_ids.find_by_remote(self._connection.id, remote_references)
            }
            known = self._known_people(uow, new.values())
            return [
                v
                for v, r in new.items()
                if remote_reference_of(r) in linked or _has_known_identifier(known, r)
            ]
        ours = find_ours(
            uow, self._connection.id, {remote_reference_of(resource): resource for resource in new.values()}
        )
        ids = [reference.partition("/")[2] for reference in ours.values()]
        expected = uow.reconciliation.expected(self._connection.id, kind, ids)
        return [
            version
            for version, resource in new.items()
            if self._has_changed(kind, resource, ours.get(remote_reference_of(resource)), expected)
        ]

    def _has_changed(
        self, kind: str, resource: Resource, ours: str | None, expected: Mapping[str, ExpectedResource]
    ) -> bool:
        if ours is None:
            return kind in KEPT_FROM_ANY_AUTHOR
        sent = expected.get(ours.partition("/")[2])
        return (
            sent is None
            or sent.etag != version_id_of(resource)
            or not self._matcher.equals_last_sent(sent, resource)
        )

    def _known_people(self, uow: UnitOfWork, patients: Iterable[Resource]) -> set[Identifier]:
        systems = self._connection.destination.identifier_systems
        borne = [i for patient in patients for i in identifiers_of(patient) if i.system in systems]
        found = uow.people.find_by_identifiers(borne)
        return {identifier for identifier, people in found.items() if people}

    def _process(self, uow: UnitOfWork, arrival: Arrival) -> str:
        resource = read_json(arrival.body, max_bytes=LARGEST_RESOURCE)
        key = f"{remote_reference_of(resource)}/_history/{version_id_of(resource)}"
        if (
            resource["resourceType"] == "Patient"
            and self._connection.destination.patients is PatientOwnership.THEIRS
        ):
            result = self._process_patient(uow, resource)
        else:
            result = self._process_resource(uow, resource, arrival)
        if result != "under way":
            uow.inbox.close(arrival.id, ArrivalState.DONE, key=key)
        return result

    def _process_patient(self, uow: UnitOfWork, patient: Resource) -> str:
        to, now = self._connection.id, self._clock()
        remote_reference = remote_reference_of(patient)
        why = reason_not_in_use(patient)
        links = uow.remote_ids.find_by_remote(to, [remote_reference])
        if links:
            lost = False
            for link in links:
                person = uow.people.get(PersonId(link.local_reference.partition("/")[2]))
                if found := why or reason_other_patient(patient, person, link):
                    retire_link(uow, to, link, found, now=now)
                    lost = True
            return "links lost" if lost else "seen"
        people = self._people(uow, patient)
        for person in people:
            uow.outbox.resume(to, person.id, now=now)
        return "looked for again" if people else "seen"

    def _people(self, uow: UnitOfWork, patient: Resource) -> list[Person]:
        systems = self._connection.destination.identifier_systems
        borne = [i for i in identifiers_of(patient) if i.system in systems]
        found = uow.people.find_by_identifiers(borne)
        return list({person.id: person for people in found.values() for person in people}.values())

    def _process_resource(self, uow: UnitOfWork, resource: Resource, arrival: Arrival) -> str:
        to, now, remote_reference = self._connection.id, self._clock(), remote_reference_of(resource)
        reference = find_ours(uow, to, {remote_reference: resource}).get(remote_reference)
        if reference is None:
            return "seen"  # a Task or ServiceRequest of somebody else
        kind, _, id_ = reference.partition("/")
        expected = uow.reconciliation.expected(to, kind, [id_]).get(id_)
        if expected is None or expected.is_being_sent:
            # The push reads and compares before it writes over anything; what it comes to is waited for.
            return "under way" if _is_queued(uow, to, reference) else "seen"
        version = self._matcher.version(uow, reference, expected, resource)
        if version is None:
            theirs = version_id_of(resource)
            new = open_edit_alert(
                uow, EDITED, to, reference,
                theirs=theirs, person=expected.person, now=now, inbox=arrival.id,
            )  # fmt: skip
            return "edited" if new else "edited before"
        close_edit_alerts(uow, to, reference, seen_at=arrival.received_at, now=now)
        if version == expected.version:
            record_remote_version(uow, self._connection, expected, version_id_of(resource), now)
        return "ours"


def record_remote_version(
    uow: UnitOfWork, connection: EhrConnection, expected: ExpectedResource, etag: str | None, now: datetime
) -> bool:
    """Records the version tag of our last sent version; returns whether it was new."""
    if expected.etag == etag and expected.held_version == expected.version:
        return False
    held = RemoteVersion(expected.type, expected.id, expected.version, etag, sha256_hex(expected.sent_bytes))
    uow.remote_versions.put_many(connection.id, [held], now=now)
    return True


def _has_known_identifier(known: set[Identifier], patient: Resource) -> bool:
    return any(identifier in known for identifier in identifiers_of(patient))


def _is_queued(uow: UnitOfWork, to: DestinationId, reference: str) -> bool:
    return any(
        delivery.state.value in ("pending", "in_flight")
        for delivery in uow.deliveries.list_all(destination=to, reference=reference)
    )


def _seen_version(resource: Resource) -> SeenVersion:
    version = version_id_of(resource)
    if version is None:
        version = "sha256-" + hashlib.sha256(write_canonical(resource)).hexdigest()[:48]
    return SeenVersion(str(resource["id"]), version[:64], last_updated_text(resource))
