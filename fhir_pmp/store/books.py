"""Everything the house remembers, in one transaction: one repository for each kind of memory."""

from functools import cached_property

import sqlalchemy as sa

from fhir_pmp.store.accounts import Accounts
from fhir_pmp.store.audit import Audit
from fhir_pmp.store.clients import Clients
from fhir_pmp.store.delivery_book import DeliveryBook
from fhir_pmp.store.delivery_checks import DeliveryChecks
from fhir_pmp.store.delivery_health import DeliveryHealth
from fhir_pmp.store.episodes import Episodes
from fhir_pmp.store.flags import Flags
from fhir_pmp.store.id_proof import IdProofs
from fhir_pmp.store.inbox import Inbox, ProgrammeAnswers
from fhir_pmp.store.leases import Leases
from fhir_pmp.store.letters import Letters
from fhir_pmp.store.letters_due import LettersDue
from fhir_pmp.store.neighbours import Breakers, DestinationIds
from fhir_pmp.store.outbox import Outbox
from fhir_pmp.store.people import People
from fhir_pmp.store.proofs import Proofs
from fhir_pmp.store.published import Published
from fhir_pmp.store.publishing_side import PublishingSide
from fhir_pmp.store.pull_book import PullBook
from fhir_pmp.store.referrals import Referrals
from fhir_pmp.store.remote_versions import RemoteVersions
from fhir_pmp.store.responses import Responses
from fhir_pmp.store.sessions import Sessions
from fhir_pmp.store.standing_book import StandingBook
from fhir_pmp.store.work_items import WorkItems


class Books:
    """The repositories of one transaction. They are made when first asked for."""

    def __init__(self, connection: sa.Connection, *, publishing: bool) -> None:
        self._connection = connection
        self._publishing = publishing

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
        """Referrals and what came with them."""
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
    def published(self) -> Published:
        """Published versions, as they are read."""
        return Published(self._connection)

    @cached_property
    def publishing(self) -> PublishingSide:
        """Published versions, as they are written; for fhir_pmp.publishing alone."""
        return PublishingSide(self._connection, held=self._publishing)

    @cached_property
    def outbox(self) -> Outbox:
        """Queueing, claiming and settling deliveries."""
        return Outbox(self._connection)

    @cached_property
    def deliveries(self) -> DeliveryBook:
        """Deliveries, as people and commands see them."""
        return DeliveryBook(self._connection)

    @cached_property
    def delivery_checks(self) -> DeliveryChecks:
        """What a push asks before and after it sends."""
        return DeliveryChecks(self._connection)

    @cached_property
    def delivery_health(self) -> DeliveryHealth:
        """How delivery to each destination is doing."""
        return DeliveryHealth(self._connection)

    @cached_property
    def destination_ids(self) -> DestinationIds:
        """What destinations call our resources."""
        return DestinationIds(self._connection)

    @cached_property
    def remote_versions(self) -> RemoteVersions:
        """What destinations hold of ours."""
        return RemoteVersions(self._connection)

    @cached_property
    def pulling(self) -> PullBook:
        """How far EHRs have been read."""
        return PullBook(self._connection)

    @cached_property
    def standing(self) -> StandingBook:
        """What should stand at destinations."""
        return StandingBook(self._connection)

    @cached_property
    def breakers(self) -> Breakers:
        """Whether we call a destination."""
        return Breakers(self._connection)

    @cached_property
    def proofs(self) -> Proofs:
        """What destinations were seen to honour."""
        return Proofs(self._connection)

    @cached_property
    def leases(self) -> Leases:
        """Who leads."""
        return Leases(self._connection)

    @cached_property
    def inbox(self) -> Inbox:
        """What arrived, verbatim."""
        return Inbox(self._connection)

    @cached_property
    def programme_answers(self) -> ProgrammeAnswers:
        """How platforms were first answered."""
        return ProgrammeAnswers(self._connection)

    @cached_property
    def work_items(self) -> WorkItems:
        """What people must decide."""
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
        """Who may log in."""
        return Accounts(self._connection)

    @cached_property
    def sessions(self) -> Sessions:
        """Who is logged in."""
        return Sessions(self._connection)

    @cached_property
    def clients(self) -> Clients:
        """Which programs may call."""
        return Clients(self._connection)

    @cached_property
    def audit(self) -> Audit:
        """Who did and saw what."""
        return Audit(self._connection)

    @cached_property
    def id_proofs(self) -> IdProofs:
        """The proof of the id secret."""
        return IdProofs(self._connection)
