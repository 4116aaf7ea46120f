"""Treats a notification as a hint: the named resource is read again by its id.

Nothing else in the notification is believed.
"""

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from fhir_pmp.ehr.capability.server_capability import Capability
from fhir_pmp.ehr.config.content import LARGEST_RESOURCE
from fhir_pmp.ehr.config.work_item_kinds import DELETED
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.exchange.reads import body_of
from fhir_pmp.ehr.exchange.search_pages import remote_reference_of
from fhir_pmp.ehr.exchange.writes import classify_response
from fhir_pmp.ehr.identity.patient_link import retire_link
from fhir_pmp.ehr.identity.remote_ownership import check_owner_of_deleted, load_remote_copies
from fhir_pmp.ehr.sync_back.edit_alerts import open_edit_alert
from fhir_pmp.ehr.sync_back.ingest import PullIngest
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.ehr.transport.response_class import PAUSES, TRANSIENT, ClassifiedResponse, HttpResponseClass
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import read_json
from fhir_pmp.store import Store
from fhir_pmp.store.inbox import Arrival, ArrivalState

CHANNEL = "hook"
MOST_PER_RUN = 500
"""Hints followed in one run."""

_PLACE = re.compile(r"([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/.*)?")


class NotificationDeferred(Exception):
    """The destination does not answer as one that works: the hint waits."""

    def __init__(self, classified: ClassifiedResponse) -> None:
        super().__init__(classified.response_class.value)
        self.classified = classified


class ChangeNotifications:
    """The hints that one destination gave and nobody has followed yet."""

    def __init__(self, store: Store, connection: EhrConnection, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._connection = connection
        self._client: EhrClient = connection.client
        self._clock = clock

    def waiting(self) -> list[Arrival]:
        """Those not followed yet, oldest first."""
        with self._store.read() as uow:
            found = uow.inbox.list_unprocessed(CHANNEL, limit=10_000)
        return [one for one in found if one.sender.partition("/")[0] == self._connection.id][:MOST_PER_RUN]

    def follow(self, capability: Capability, ingest: PullIngest) -> Counter[str]:
        """Reads what they name, each resource once. Raises NotNow, and what `EhrClient.ask` raises."""
        counts: Counter[str] = Counter()
        by_place: dict[str | None, list[Arrival]] = {}
        for arrival in self.waiting():
            by_place.setdefault(named_reference(arrival), []).append(arrival)
        for remote_reference, arrivals in by_place.items():
            known = remote_reference is not None and remote_reference.partition("/")[0] in capability.types
            if known and remote_reference is not None:
                counts += self._read(remote_reference, ingest)
            counts["hints"] += len(arrivals)
            with self._store.begin_without_publishing() as uow:
                for arrival in arrivals:
                    # One that names nothing says that something changed: the pull that runs anyway finds it.
                    uow.inbox.close(
                        arrival.id,
                        ArrivalState.DONE if known or not remote_reference else ArrivalState.REFUSED,
                    )
        return counts

    def _read(self, remote_reference: str, ingest: PullIngest) -> Counter[str]:
        answer = self._client.ask("GET", remote_reference, headers={"Cache-Control": "no-cache"})
        classified = classify_response(answer, self._clock())
        if classified.response_class in (HttpResponseClass.NOT_FOUND, HttpResponseClass.GONE):
            return self._record_gone(
                remote_reference,
                deleted=classified.response_class is HttpResponseClass.GONE
                and not self._belonged_to_another(remote_reference),
            )
        if classified.response_class is not HttpResponseClass.DONE:
            raise NotificationDeferred(classified)
        resource = body_of(answer)
        if remote_reference_of(resource) != remote_reference:
            return Counter(refused=1)
        return ingest.keep(remote_reference.partition("/")[0], [resource])

    def _belonged_to_another(self, remote_reference: str) -> bool:
        """Whether what was deleted had been given the id of ours: then ours went before."""
        with self._store.read() as uow:
            ours = [
                link.local_reference
                for link in uow.remote_ids.find_by_remote(self._connection.id, [remote_reference])
            ]
            copies = load_remote_copies(uow, self._connection.id, ours)
        for one in copies:
            classified = check_owner_of_deleted(self._client, one, self._clock())
            if classified.response_class in TRANSIENT | PAUSES:
                raise NotificationDeferred(classified)
            if classified.response_class is HttpResponseClass.NOT_FOUND:
                return True
        return False

    def _record_gone(self, remote_reference: str, *, deleted: bool) -> Counter[str]:
        to, now = self._connection.id, self._clock()
        with self._store.begin_without_publishing() as uow:
            links = (
                uow.remote_ids.find_by_remote(to, [remote_reference])
                if remote_reference.startswith("Patient/")
                else []
            )
            for link in links:
                retire_link(uow, to, link, "it is not there any more", now=now)
            reference = uow.reconciliation.find_local_references(to, [remote_reference]).get(remote_reference)
            if reference is None or not deleted or links:
                return Counter(
                    links_lost=len(links)
                )  # what is missing and was not deleted is the reconcile's
            kind, _, id_ = reference.partition("/")
            one = uow.reconciliation.expected(to, kind, [id_]).get(id_)
            if one is None or one.is_being_sent:
                return Counter()
            open_edit_alert(uow, DELETED, to, reference, theirs=None, person=one.person, now=now)
        return Counter(deleted=1)


def named_reference(arrival: Arrival) -> str | None:
    """The `Type/id` that a notification names, from its key, URL or body; None without one."""
    for text in (arrival.key or "", arrival.sender.partition("/")[2]):
        if (match := _PLACE.fullmatch(text)) is not None:
            return match[1]
    if not arrival.body:
        return None
    try:
        body = read_json(arrival.body, max_bytes=LARGEST_RESOURCE)
    except NotUnderstood:
        return None
    match = _PLACE.fullmatch(f"{body.get('resourceType')}/{body.get('id')}")
    return match[1] if match else None
