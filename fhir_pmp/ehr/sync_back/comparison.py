"""Compares one resource at the destination with what we sent, and acts on the difference."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from fhir_pmp.ehr.capability.server_capability import Capability
from fhir_pmp.ehr.config.content import sha256_hex
from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.ehr.config.work_item_kinds import DELETED, DUPLICATED, EDITED
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.exchange.reads import version_id_of
from fhir_pmp.ehr.exchange.search_pages import remote_reference_of
from fhir_pmp.ehr.identity.remote_ownership import forget_remote_id, identifiers_of
from fhir_pmp.ehr.push.planning import UNREAD_VERSION
from fhir_pmp.ehr.sync_back.edit_alerts import close_edit_alerts, open_edit_alert
from fhir_pmp.ehr.sync_back.ingest import CHANNEL, record_remote_version
from fhir_pmp.ehr.sync_back.version_match import VersionMatcher
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.identifiers import PersonId
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.store.inbox import ArrivalState
from fhir_pmp.store.remote_state.reconciliation import ExpectedResource
from fhir_pmp.store.remote_state.remote_ids import ASSIGNED_BY_SERVER
from fhir_pmp.store.remote_state.remote_versions import RemoteVersion


class ComparisonResult(StrEnum):
    """What was found of one resource."""

    EQUAL = "equal"
    REMEMBERED = "remembered"  # equal, and its version tag or place was news to us
    NEWER = "newer"  # a version of ours that we have not seen acknowledged
    OLDER = "older"  # a version of ours before it: sent again
    MISSING = "missing"  # never there, or lost: sent again
    DELETED = "deleted"  # somebody deleted it: a person decides
    EDITED = "edited"  # none of ours: a person decides
    DUPLICATED = "doubled"  # several bear one identifier of ours: a person decides
    UNKNOWN = "unknown"  # bears an identifier of ours, and we know nothing of it
    ELSEWHERE = (
        "elsewhere"  # under another id than the server had given it: looked for again, as what is missing is
    )
    IN_PROGRESS = "under_way"  # a delivery is being sent: it settles this itself


_RESEND_REASONS = {
    ComparisonResult.MISSING: "was missing there",
    ComparisonResult.OLDER: "an older version stood there",
}


@dataclass
class Comparison:
    """Records and acts on differences, unless a dry run. Each method is one transaction."""

    store: Store
    connection: EhrConnection
    capability: Capability
    clock: Callable[[], datetime]
    who: str
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)
    sent_again: list[str] = field(default_factory=list)  # "Type/id/_history/n: why"

    def __post_init__(self) -> None:
        self._matcher = VersionMatcher(self.connection, self.capability)

    def compare(
        self, resources: Mapping[str, dict[str, Any]], expected: Mapping[str, ExpectedResource]
    ) -> None:
        """Judges resources by our `Type/id`; those that we never sent there are recognised, not expected."""
        to_send_again: dict[ComparisonResult, list[ExpectedResource]] = {}
        with self._transaction() as uow:
            for reference, resource in resources.items():
                one = expected.get(reference.partition("/")[2])
                result = self._compare_one(uow, reference, resource, one)
                if one is not None and result in _RESEND_REASONS:
                    to_send_again.setdefault(result, []).append(one)
                self.counts[result] += 1
            for result, some in to_send_again.items():
                self._send_again(uow, result, some)

    def record_missing(self, gone: list[ExpectedResource]) -> None:
        """These are not there: each is sent again, as it was last sent."""
        with self._transaction() as uow:
            for one in gone:
                self.counts[ComparisonResult.MISSING] += 1
                if one.is_server_assigned and not self.dry_run:
                    # Its id there went with it; it is looked for by its identifier and gets a new one.
                    forget_remote_id(uow, self.connection.id, one.reference, now=self.clock())
            self._send_again(uow, ComparisonResult.MISSING, gone)

    def record_deleted(self, one: ExpectedResource) -> None:
        """Somebody deleted it there."""
        self.counts[ComparisonResult.DELETED] += 1
        with self._transaction() as uow:
            self._open_edit_alert(uow, DELETED, one.reference, one, None)

    def record_duplicated(self, reference: str, remote_references: list[str]) -> None:
        """Several resources there bear one identifier of ours; never the first of them is chosen."""
        self.counts[ComparisonResult.DUPLICATED] += 1
        with self._transaction() as uow:
            self._open_edit_alert(uow, DUPLICATED, reference, None, " ".join(sorted(remote_references)))

    def close_duplicated(self, kind: str, duplicated: set[str]) -> None:
        """Closes the work items about those of a type that stand there once now."""
        if self.dry_run:
            return
        to, now = f"delivery/{self.connection.id}/", self.clock()
        with self._transaction() as uow:
            for item in uow.work_items.list_open(kinds=[DUPLICATED]):
                if item.about.startswith(f"{to}{kind}/") and item.about.removeprefix(to) not in duplicated:
                    uow.work_items.close(item.id, by="sync", how="one of them is left", now=now)

    def unrecorded(self, resources: list[dict[str, Any]]) -> None:
        """Records resources with our identifiers under ids that we do not know.

        They are from before our database was restored to an earlier state.
        """
        with self._transaction() as uow:
            for resource in resources:
                self.counts[self._compare_unrecorded(uow, resource)] += 1

    def record_audit(self, outcome: str) -> None:
        """Writes down in the audit that both sides were compared, and what that came to."""
        counted = (
            ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
            or "nothing to compare"
        )
        dry = " (dry run)" if self.dry_run else ""
        with self.store.begin_without_publishing() as uow:
            self._audit(uow, f"reconcile {self.connection.id}{dry}: {counted}", "query", outcome, [], [])

    def _compare_one(
        self, uow: UnitOfWork, reference: str, resource: dict[str, Any], one: ExpectedResource | None
    ) -> ComparisonResult:
        if one is not None and one.is_being_sent:
            return ComparisonResult.IN_PROGRESS
        version = self._matcher.version(uow, reference, one, resource)
        if one is None:
            return self._record_unexpected(uow, reference, resource, version)
        if version is None:
            self._open_edit_alert(uow, EDITED, reference, one, version_id_of(resource), resource)
            return ComparisonResult.EDITED
        if version < one.version:
            return ComparisonResult.OLDER
        if self.dry_run:
            return ComparisonResult.EQUAL if version == one.version else ComparisonResult.NEWER
        now = self.clock()
        close_edit_alerts(uow, self.connection.id, reference, seen_at=now, now=now)
        if version > one.version:
            self._record_remote_content(uow, reference, resource, version)
            return ComparisonResult.NEWER
        news = record_remote_version(uow, self.connection, one, version_id_of(resource), self.clock())
        return ComparisonResult.REMEMBERED if news else ComparisonResult.EQUAL

    def _record_unexpected(
        self, uow: UnitOfWork, reference: str, resource: dict[str, Any], version: int | None
    ) -> ComparisonResult:
        """Found at the EHR but not recorded as sent; record it so that the next push compares."""
        if not self.dry_run:
            self._record_remote_content(uow, reference, resource, version or UNREAD_VERSION)
        return ComparisonResult.REMEMBERED if version is not None else ComparisonResult.UNKNOWN

    def _compare_unrecorded(self, uow: UnitOfWork, resource: dict[str, Any]) -> ComparisonResult:
        kind, remote_reference = str(resource["resourceType"]), remote_reference_of(resource)
        known = {
            uow.reconciliation.find_by_identifier(kind, i.system, i.value) for i in identifiers_of(resource)
        } - {None}
        reference = known.pop() if len(known) == 1 else None
        to, now = self.connection.id, self.clock()
        if reference is None:
            if not self.dry_run:
                self._record_remote_content(uow, remote_reference, resource, UNREAD_VERSION)
            return ComparisonResult.UNKNOWN
        if self.capability.strategy(self.connection.destination, kind) is WriteStrategy.OUR_ID:
            # Ours goes there under our id: this is a second one, whoever made it.
            self._open_edit_alert(uow, DUPLICATED, reference, None, remote_reference)
            return ComparisonResult.DUPLICATED
        link = uow.remote_ids.find(to, reference)
        if link is not None and link.remote_reference != remote_reference:
            return ComparisonResult.ELSEWHERE
        if link is None and not self.dry_run:
            uow.remote_ids.link(to, reference, remote_reference, how=ASSIGNED_BY_SERVER, by=self.who, now=now)
        one = uow.reconciliation.expected(to, kind, [reference.partition("/")[2]]).get(
            reference.partition("/")[2]
        )
        return self._compare_one(uow, reference, resource, one)

    def _record_remote_content(
        self, uow: UnitOfWork, reference: str, resource: dict[str, Any], version: int
    ) -> None:
        kind, _, id_ = reference.partition("/")
        content = write_canonical({name: value for name, value in resource.items() if name != "meta"})
        held = RemoteVersion(kind, id_, version, version_id_of(resource), sha256_hex(content))
        uow.remote_versions.put_many(self.connection.id, [held], now=self.clock())

    def _send_again(self, uow: UnitOfWork, result: ComparisonResult, some: list[ExpectedResource]) -> None:
        if not some:
            return
        why = _RESEND_REASONS[result]
        if self.dry_run:
            self.sent_again += [f"{one.reference}/_history/{one.version}: {why}" for one in some]
            return
        references = [one.reference for one in some]
        to, now = self.connection.id, self.clock()
        sent_again = uow.reconciliation.requeue(to, references, why=f"sent again: it {why}", now=now)
        self.sent_again += [f"{version}: {why}" for version in sent_again]
        people = sorted({one.person for one in some if one.person is not None})
        self._audit(uow, f"reconcile {to}: sent again, it {why}", "update", "again", sent_again, people)

    def _open_edit_alert(
        self,
        uow: UnitOfWork,
        kind: str,
        reference: str,
        one: ExpectedResource | None,
        theirs: str | None,
        resource: dict[str, Any] | None = None,
    ) -> None:
        if self.dry_run:
            return
        to, now, inbox = self.connection.id, self.clock(), None
        if resource is not None:
            arrival = uow.inbox.add(CHANNEL, to, write_canonical(resource), now=now)
            key = f"{remote_reference_of(resource)}/_history/{theirs}"
            uow.inbox.close(arrival.id, ArrivalState.DONE, key=key)
            inbox = arrival.id
        person = None if one is None else one.person
        open_edit_alert(uow, kind, to, reference, theirs=theirs, person=person, now=now, inbox=inbox)

    def _audit(
        self,
        uow: UnitOfWork,
        route: str,
        action: str,
        outcome: str,
        resources: list[str],
        people: list[PersonId],
    ) -> None:
        row = AuditRow(
            at=self.clock(), who=self.who, route=route, action=action, outcome=outcome,
            request_id=uuid4().hex, resources=tuple(resources), persons=tuple(people),
        )  # fmt: skip
        uow.audit.append([row])

    def _transaction(self) -> AbstractContextManager[UnitOfWork]:
        return self.store.read() if self.dry_run else self.store.begin_without_publishing()
