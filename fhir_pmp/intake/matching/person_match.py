"""Matches an enrolment to a known person.

A match needs the same referral number or identifier, and the same birth date.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.identifiers import EpisodeId, Identifier, PersonId, ReferralId
from fhir_pmp.intake.arrivals import ArrivedEnrolment
from fhir_pmp.pathway.facts import Episode, EpisodeState, Person
from fhir_pmp.store import UnitOfWork


class ReferralNotAccepted(NotAllowed):
    """The referral it names has not been accepted yet. It waits for a clinician; give it again after that."""


class ReferralNumberUnknown(NotUnderstood):
    """No referral of ours bears that number. The sender corrects it or leaves it out."""


class IdentityDoubt(StrEnum):
    """Why a clinician must decide who this is. Shown on the work item."""

    BIRTH_DATE_DIFFERS = "the identifier or referral number is known, with another birth date"
    SEVERAL_HOLDERS = "several people bear the identifier"
    REFERRAL_ALREADY_USED = "the referral it names already has an enrolment"
    IDENTIFIERS_DIFFER = "an identifier of the same system has another value"


@dataclass(frozen=True, slots=True)
class PersonMatch:
    """The person of an enrolment as decided: known, new, or in doubt.

    `person` is None for a new one. `episode` is their referred episode that the enrolment continues. `others` are the
    persons of the doubt.
    """

    person: Person | None = None
    episode: Episode | None = None
    doubt: IdentityDoubt | None = None
    others: tuple[PersonId, ...] = ()
    referral: ReferralId | None = None  # the referral it names, if there is a doubt


@dataclass(slots=True)
class EnrolmentBatch:
    """The known people and episodes of one batch of enrolments.

    They are read in a few queries and updated in memory.
    """

    uow: UnitOfWork
    episodes: dict[str, Episode] = field(default_factory=dict)  # by enrolment
    people: dict[PersonId, Person] = field(default_factory=dict)
    holders: dict[Identifier, list[Person]] = field(default_factory=dict)
    used_referral_episodes: set[EpisodeId] = field(
        default_factory=set
    )  # referred episodes that an enrolment of this batch continues

    @classmethod
    def load(cls, uow: UnitOfWork, arrivals: Sequence[ArrivedEnrolment]) -> "EnrolmentBatch":
        """Reads the people and episodes that these submissions of one source may refer to."""
        source = arrivals[0].source
        episodes = dict(uow.episodes.find_by_enrolments(source, (a.enrolment for a in arrivals)))
        people = uow.people.find_many(episode.person for episode in episodes.values())
        wanted = {one for a in arrivals if a.enrolment not in episodes for one in a.identifiers}
        holders = {one: list(found) for one, found in uow.people.find_by_identifiers(list(wanted)).items()}
        return cls(uow, episodes, people, holders)

    def person(self, person: PersonId) -> Person:
        """The person with the changes of this batch so far. Raises NotStored."""
        found = self.people.get(person)
        if found is None:
            found = self.people[person] = self.uow.people.get(person)
        return found

    def add_person(self, person: Person) -> None:
        """Adds a person whom this batch registers.

        A later enrolment of the batch may be of the same person.
        """
        self.people[person.id] = person
        for identifier in person.identifiers:
            self.holders.setdefault(identifier, []).append(person)


def match_enrolment(batch: EnrolmentBatch, arrival: ArrivedEnrolment) -> PersonMatch:
    """Decides to which person an enrolment belongs. Raises ReferralNumberUnknown, ReferralNotAccepted."""
    if arrival.referral_number is not None:
        return _match_by_referral_number(batch, arrival, arrival.referral_number)
    return _match_by_identifier(batch, arrival)


def identifiers_contradict(person: Person, identifiers: Iterable[Identifier]) -> bool:
    """Whether one identifier system gives them different values; then they are different people."""
    held, claimed = _values_by_system(person.identifiers), _values_by_system(identifiers)
    return any(held[system].isdisjoint(values) for system, values in claimed.items() if system in held)


def _values_by_system(identifiers: Iterable[Identifier]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in identifiers:
        found.setdefault(one.system, set()).add(one.value)
    return found


def find_accepted_referral_episode(episodes: Iterable[Episode]) -> Episode | None:
    """The referred episode that an enrolment continues: the newest accepted one.

    Raises ReferralNotAccepted if one is not decided yet. Declined and cancelled referrals are ignored.
    """
    waiting = [episode for episode in episodes if episode.enrolment is None]
    accepted = [episode for episode in waiting if episode.state is EpisodeState.ACCEPTED]
    if not accepted and any(episode.state is EpisodeState.REFERRED for episode in waiting):
        raise ReferralNotAccepted(field="referral_number")
    return accepted[-1] if accepted else None


def _match_by_referral_number(batch: EnrolmentBatch, arrival: ArrivedEnrolment, number: str) -> PersonMatch:
    referral = batch.uow.referrals.find_by_number(number)
    if referral is None:
        raise ReferralNumberUnknown(field="referral_number")
    person, episode = batch.person(referral.person), batch.uow.episodes.get(referral.episode)
    doubt = None
    if person.birth_date != arrival.birth_date:
        doubt = IdentityDoubt.BIRTH_DATE_DIFFERS
    elif identifiers_contradict(person, arrival.identifiers):
        doubt = IdentityDoubt.IDENTIFIERS_DIFFER
    elif episode.enrolment is not None or episode.id in batch.used_referral_episodes:
        doubt = IdentityDoubt.REFERRAL_ALREADY_USED
    if doubt is not None:
        return PersonMatch(doubt=doubt, others=(person.id,), referral=referral.id)
    return PersonMatch(person, find_accepted_referral_episode([episode]))


def _match_by_identifier(batch: EnrolmentBatch, arrival: ArrivedEnrolment) -> PersonMatch:
    holders = {person.id: person for one in arrival.identifiers for person in batch.holders.get(one, ())}
    if not holders:
        return PersonMatch()
    if len(holders) > 1:
        return PersonMatch(doubt=IdentityDoubt.SEVERAL_HOLDERS, others=tuple(holders))
    person = next(iter(holders.values()))
    if person.birth_date != arrival.birth_date:
        return PersonMatch(doubt=IdentityDoubt.BIRTH_DATE_DIFFERS, others=(person.id,))
    if identifiers_contradict(person, arrival.identifiers):
        return PersonMatch(doubt=IdentityDoubt.IDENTIFIERS_DIFFER, others=(person.id,))
    candidates = (
        e for e in batch.uow.episodes.of_person(person.id) if e.id not in batch.used_referral_episodes
    )
    return PersonMatch(person, find_accepted_referral_episode(candidates))
