"""Defines the unit of work: all repositories of one transaction."""

from functools import cached_property

import sqlalchemy as sa

from fhir_pmp.store.access.accounts import Accounts
from fhir_pmp.store.access.audit import Audit
from fhir_pmp.store.access.clients import Clients
from fhir_pmp.store.access.id_proof import IdProofs
from fhir_pmp.store.access.sessions import Sessions
from fhir_pmp.store.clinical.episodes import Episodes
from fhir_pmp.store.clinical.flags import Flags
from fhir_pmp.store.clinical.letters import Letters
from fhir_pmp.store.clinical.letters_due import LettersDue
from fhir_pmp.store.clinical.people import People
from fhir_pmp.store.clinical.referrals import Referrals
from fhir_pmp.store.clinical.responses import Responses
from fhir_pmp.store.clinical.work_items import WorkItems
from fhir_pmp.store.delivery.delivery_checks import DeliveryChecks
from fhir_pmp.store.delivery.delivery_queries import DeliveryQueries
from fhir_pmp.store.delivery.outbox import Outbox
from fhir_pmp.store.delivery_health import DeliveryHealth
from fhir_pmp.store.inbox import Inbox
from fhir_pmp.store.leases import Leases
from fhir_pmp.store.programme_replies import ProgrammeReplies
from fhir_pmp.store.remote_state.breakers import Breakers
from fhir_pmp.store.remote_state.pull_cursors import PullCursors
from fhir_pmp.store.remote_state.reconciliation import ReconciliationRepository
from fhir_pmp.store.remote_state.remote_ids import RemoteIds
from fhir_pmp.store.remote_state.remote_versions import RemoteVersions
from fhir_pmp.store.remote_state.verifications import CapabilityVerifications
from fhir_pmp.store.versions.published_versions import PublishedVersions
from fhir_pmp.store.versions.version_writes import VersionWrites


class UnitOfWork:
    """The repositories of one transaction, each created at its first use."""

    def __init__(self, connection: sa.Connection, *, may_publish: bool) -> None:
        self._connection = connection
        self._may_publish = may_publish

    @cached_property
    def people(self) -> People:
        """People and their identifiers."""
        return People(self._connection)

    @cached_property
    def episodes(self) -> Episodes:
        """Episodes, lessons, moves."""
        return Episodes(self._connection)

    @cached_property
    def referrals(self) -> Referrals:
        """Referrals and the resources that came with them."""
        return Referrals(self._connection)

    @cached_property
    def responses(self) -> Responses:
        """Responses and scores."""
        return Responses(self._connection)

    @cached_property
    def flags(self) -> Flags:
        """Safety flags."""
        return Flags(self._connection)

    @cached_property
    def published(self) -> PublishedVersions:
        """Published versions, as they are read."""
        return PublishedVersions(self._connection)

    @cached_property
    def version_writes(self) -> VersionWrites:
        """Published versions, as they are written; for fhir_pmp.publishing alone."""
        return VersionWrites(self._connection, may_publish=self._may_publish)

    @cached_property
    def outbox(self) -> Outbox:
        """Queueing and claiming deliveries, and recording their results."""
        return Outbox(self._connection)

    @cached_property
    def deliveries(self) -> DeliveryQueries:
        """Deliveries, as pages and commands list and change them."""
        return DeliveryQueries(self._connection)

    @cached_property
    def delivery_checks(self) -> DeliveryChecks:
        """The checks that a push makes before and after it sends."""
        return DeliveryChecks(self._connection)

    @cached_property
    def delivery_health(self) -> DeliveryHealth:
        """The health of delivery to each destination."""
        return DeliveryHealth(self._connection)

    @cached_property
    def remote_ids(self) -> RemoteIds:
        """The ids by which destinations know our resources."""
        return RemoteIds(self._connection)

    @cached_property
    def remote_versions(self) -> RemoteVersions:
        """The versions of our resources that destinations hold."""
        return RemoteVersions(self._connection)

    @cached_property
    def pull_cursors(self) -> PullCursors:
        """How far each EHR was read."""
        return PullCursors(self._connection)

    @cached_property
    def reconciliation(self) -> ReconciliationRepository:
        """What destinations should hold."""
        return ReconciliationRepository(self._connection)

    @cached_property
    def breakers(self) -> Breakers:
        """The circuit breakers of destinations."""
        return Breakers(self._connection)

    @cached_property
    def verifications(self) -> CapabilityVerifications:
        """The capability verifications of destinations."""
        return CapabilityVerifications(self._connection)

    @cached_property
    def leases(self) -> Leases:
        """The job leases of sync processes."""
        return Leases(self._connection)

    @cached_property
    def inbox(self) -> Inbox:
        """Received bodies, verbatim."""
        return Inbox(self._connection)

    @cached_property
    def programme_replies(self) -> ProgrammeReplies:
        """The first replies to platforms."""
        return ProgrammeReplies(self._connection)

    @cached_property
    def work_items(self) -> WorkItems:
        """Work items: decisions that people must take."""
        return WorkItems(self._connection)

    @cached_property
    def letters(self) -> Letters:
        """Letters."""
        return Letters(self._connection)

    @cached_property
    def letters_due(self) -> LettersDue:
        """Letters to draft."""
        return LettersDue(self._connection)

    @cached_property
    def accounts(self) -> Accounts:
        """Accounts that may log in."""
        return Accounts(self._connection)

    @cached_property
    def sessions(self) -> Sessions:
        """Sessions of logged-in accounts."""
        return Sessions(self._connection)

    @cached_property
    def clients(self) -> Clients:
        """Registered API clients."""
        return Clients(self._connection)

    @cached_property
    def audit(self) -> Audit:
        """The audit entries."""
        return Audit(self._connection)

    @cached_property
    def id_proofs(self) -> IdProofs:
        """The proof of the id secret."""
        return IdProofs(self._connection)
