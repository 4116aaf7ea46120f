"""Stores referrals, and the resources that came with each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import ClientId, EpisodeId, Identifier, PersonId, ReferralId, ResourceId
from fhir_pmp.pathway.facts import Referral
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.errors import NotStored
from fhir_pmp.store.tables.people import referral_entries, referrals

_ADD = BulkInsert(
    referrals,
    "id",
    "number",
    "client",
    "episode",
    "person",
    "service_request_id",
    "task_id",
    "service_request_system",
    "service_request_value",
    "task_system",
    "task_value",
    "authored_on",
    "received_at",
    "reason",
    "fingerprint",
    "inbox",
)
_ADD_ENTRIES = BulkInsert(referral_entries, "referral", "position", "type", "id", "full_url")


@dataclass(frozen=True, slots=True)
class ReferralEntry:
    """An entry of the referral Bundle, with its index, and the resource published from it."""

    position: int
    type: str
    id: ResourceId
    full_url: str | None


@dataclass(frozen=True, slots=True)
class KnownReferral:
    """A stored referral with the hash of its clinical content.

    Other content under the same key is a conflict.
    """

    referral: Referral
    fingerprint: str


class Referrals:
    """Referrals by id, by our number, or by the sender's own identifier."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, referral: ReferralId) -> Referral:
        """Returns the referral. Raises NotStored."""
        found = self.find(referral)
        if found is None:
            raise NotStored("no such referral", field="referral")
        return found

    def find(self, referral: ReferralId) -> Referral | None:
        """Returns the referral, if stored."""
        return self._one(referrals.c.id == referral)

    def find_by_number(self, number: str) -> Referral | None:
        """Returns the referral with this number."""
        return self._one(referrals.c.number == number)

    def find_by_task(self, task: ResourceId) -> Referral | None:
        """Returns the referral of this Task."""
        return self._one(referrals.c.task_id == task)

    def find_by_service_request(self, client: ClientId, identifier: Identifier) -> KnownReferral | None:
        """Returns the referral that this client sent under this ServiceRequest.identifier."""
        query = sa.select(referrals).where(
            referrals.c.client == client,
            referrals.c.service_request_system == identifier.system,
            referrals.c.service_request_value == identifier.value,
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else KnownReferral(_referral(row), row.fingerprint)

    def of_episodes(self, episodes: Iterable[EpisodeId]) -> dict[EpisodeId, Referral]:
        """Returns the referral of each episode that has one."""
        found: dict[EpisodeId, Referral] = {}
        for chunk in chunked(list(dict.fromkeys(episodes))):
            for row in self._connection.execute(
                sa.select(referrals).where(in_array(referrals.c.episode, chunk))
            ):
                found[EpisodeId(row.episode)] = _referral(row)
        return found

    def of_person(self, person: PersonId) -> list[Referral]:
        """Lists the person's referrals, oldest first."""
        query = sa.select(referrals).where(referrals.c.person == person)
        rows = self._connection.execute(query.order_by(referrals.c.received_at, referrals.c.id))
        return [_referral(row) for row in rows]

    def referred_people(self, persons: Iterable[PersonId]) -> set[PersonId]:
        """Returns those of these people who were referred; their Patient has the referral's visibility."""
        found: set[PersonId] = set()
        for chunk in chunked(list(dict.fromkeys(persons))):
            query = sa.select(referrals.c.person).where(in_array(referrals.c.person, chunk))
            found |= {PersonId(person) for person in self._connection.execute(query).scalars()}
        return found

    def add(
        self,
        referral: Referral,
        *,
        fingerprint: str,
        entries: Sequence[ReferralEntry],
        inbox: int | None,
    ) -> None:
        """Stores a new referral with its entries and its inbox row."""
        r = referral
        row = (
            r.id,
            r.number,
            r.client,
            r.episode,
            r.person,
            r.service_request_id,
            r.task_id,
            r.service_request_identifier.system,
            r.service_request_identifier.value,
            r.task_identifier.system,
            r.task_identifier.value,
            None if r.authored_on is None else r.authored_on.isoformat(),
            to_milliseconds(r.received_at),
            r.reason,
            fingerprint,
            inbox,
        )
        _ADD(self._connection, [row])
        _ADD_ENTRIES(self._connection, [(r.id, e.position, e.type, e.id, e.full_url) for e in entries])

    def entries(self, referral: ReferralId) -> list[ReferralEntry]:
        """Lists the entries of the Bundle, in their order."""
        query = sa.select(referral_entries).where(referral_entries.c.referral == referral)
        return [
            ReferralEntry(row.position, row.type, ResourceId(row.id), row.full_url)
            for row in self._connection.execute(query.order_by(referral_entries.c.position))
        ]

    def inbox_row(self, referral: ReferralId) -> int | None:
        """Returns the inbox row of this referral."""
        query = sa.select(referrals.c.inbox).where(referrals.c.id == referral)
        found: int | None = self._connection.execute(query).scalar()
        return found

    def repoint(self, episode: EpisodeId, person: PersonId) -> None:
        """Moves the episode's referral to another person, by a clinician's decision."""
        self._connection.execute(
            sa.update(referrals).where(referrals.c.episode == episode).values(person=person)
        )

    def _one(self, condition: sa.ColumnElement[bool]) -> Referral | None:
        row = self._connection.execute(sa.select(referrals).where(condition)).one_or_none()
        return None if row is None else _referral(row)


def _referral(row: sa.Row[Any]) -> Referral:
    return Referral(
        id=ReferralId(row.id),
        number=row.number,
        client=ClientId(row.client),
        episode=EpisodeId(row.episode),
        person=PersonId(row.person),
        service_request_id=ResourceId(row.service_request_id),
        task_id=ResourceId(row.task_id),
        service_request_identifier=Identifier(row.service_request_system, row.service_request_value),
        task_identifier=Identifier(row.task_system, row.task_value),
        authored_on=row.authored_on,
        received_at=row.received_at,
        reason=row.reason,
    )
