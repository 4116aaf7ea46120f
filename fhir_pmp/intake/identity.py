"""Who an enrolment is about: only our referral number or an exact identifier, with the same birth date, joins it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.identifiers import EpisodeId, Identifier, PersonId, ReferralId
from fhir_pmp.intake.arrivals import ArrivedEnrolment
from fhir_pmp.pathway.facts import Episode, EpisodeState, Person
from fhir_pmp.store import Books


class ReferralNotAccepted(NotAllowed):
    """The referral it names has not been accepted yet. It waits for a clinician; give it again after that."""


class ReferralNumberUnknown(NotUnderstood):
    """No referral of ours bears that number. The sender corrects it or leaves it out."""


class Doubt(StrEnum):
    """Why nobody but a person can say who this is. Shown on the work item."""

    BIRTH_DATE_DIFFERS = "the identifier or referral number is known, with another birth date"
    SEVERAL_BEARERS = "several people bear the identifier"
    REFERRAL_TAKEN = "the referral it names already has an enrolment"
    IDENTIFIERS_DIFFER = "an identifier of the same system has another value"


@dataclass(frozen=True, slots=True)
class Joined:
    """The decision: a known person (None: a new one), their waiting referred episode, or a doubt with whom."""

    person: Person | None = None
    episode: Episode | None = None
    doubt: Doubt | None = None
    others: tuple[PersonId, ...] = ()
    referral: ReferralId | None = None  # the one it names, where there is a doubt


@dataclass(slots=True)
class Known:
    """What is known of the people of one batch: read in a few look-ups, and kept up while the batch is decided."""

    books: Books
    episodes: dict[str, Episode] = field(default_factory=dict)  # by enrolment
    people: dict[PersonId, Person] = field(default_factory=dict)
    bearers: dict[Identifier, list[Person]] = field(default_factory=dict)
    taken: set[EpisodeId] = field(
        default_factory=set
    )  # referred episodes that an enrolment of this batch goes on in

    @classmethod
    def of(cls, books: Books, arrivals: Sequence[ArrivedEnrolment]) -> "Known":
        """Reads what these arrivals of one source may be about."""
        source = arrivals[0].source
        episodes = dict(books.episodes.find_by_enrolments(source, (a.enrolment for a in arrivals)))
        people = books.people.find_many(episode.person for episode in episodes.values())
        wanted = {one for a in arrivals if a.enrolment not in episodes for one in a.identifiers}
        bearers = {one: list(found) for one, found in books.people.find_by_identifiers(list(wanted)).items()}
        return cls(books, episodes, people, bearers)

    def person(self, person: PersonId) -> Person:
        """The person, as this batch knows them by now. Raises NotStored."""
        found = self.people.get(person)
        if found is None:
            found = self.people[person] = self.books.people.get(person)
        return found

    def register(self, person: Person) -> None:
        """Notes somebody whom this batch registers: the next enrolment may be theirs too."""
        self.people[person.id] = person
        for identifier in person.identifiers:
            self.bearers.setdefault(identifier, []).append(person)


def join_enrolment(known: Known, arrival: ArrivedEnrolment) -> Joined:
    """Decides whose enrolment this is. Raises ReferralNumberUnknown, ReferralNotAccepted."""
    if arrival.referral_number is not None:
        return _join_referral(known, arrival, arrival.referral_number)
    return _join_by_identifier(known, arrival)


def contradict(person: Person, identifiers: Iterable[Identifier]) -> bool:
    """Whether one system gave them two values: different national numbers are never one human being."""
    held, said = _by_system(person.identifiers), _by_system(identifiers)
    return any(held[system].isdisjoint(values) for system, values in said.items() if system in held)


def _by_system(identifiers: Iterable[Identifier]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in identifiers:
        found.setdefault(one.system, set()).add(one.value)
    return found


def waiting_episode(episodes: Iterable[Episode]) -> Episode | None:
    """The referred episode that an enrolment goes on in: the newest that is accepted.

    Raises ReferralNotAccepted where one still waits. A referral that was declined or cancelled starts nothing.
    """
    waiting = [episode for episode in episodes if episode.enrolment is None]
    accepted = [episode for episode in waiting if episode.state is EpisodeState.ACCEPTED]
    if not accepted and any(episode.state is EpisodeState.REFERRED for episode in waiting):
        raise ReferralNotAccepted(field="referral_number")
    return accepted[-1] if accepted else None


def _join_referral(known: Known, arrival: ArrivedEnrolment, number: str) -> Joined:
    referral = known.books.referrals.find_by_number(number)
    if referral is None:
        raise ReferralNumberUnknown(field="referral_number")
    person, episode = known.person(referral.person), known.books.episodes.get(referral.episode)
    doubt = None
    if person.birth_date != arrival.birth_date:
        doubt = Doubt.BIRTH_DATE_DIFFERS
    elif contradict(person, arrival.identifiers):
        doubt = Doubt.IDENTIFIERS_DIFFER
    elif episode.enrolment is not None or episode.id in known.taken:
        doubt = Doubt.REFERRAL_TAKEN
    if doubt is not None:
        return Joined(doubt=doubt, others=(person.id,), referral=referral.id)
    return Joined(person, waiting_episode([episode]))


def _join_by_identifier(known: Known, arrival: ArrivedEnrolment) -> Joined:
    bearers = {person.id: person for one in arrival.identifiers for person in known.bearers.get(one, ())}
    if not bearers:
        return Joined()
    if len(bearers) > 1:
        return Joined(doubt=Doubt.SEVERAL_BEARERS, others=tuple(bearers))
    person = next(iter(bearers.values()))
    if person.birth_date != arrival.birth_date:
        return Joined(doubt=Doubt.BIRTH_DATE_DIFFERS, others=(person.id,))
    if contradict(person, arrival.identifiers):
        return Joined(doubt=Doubt.IDENTIFIERS_DIFFER, others=(person.id,))
    open_to_it = (e for e in known.books.episodes.of_person(person.id) if e.id not in known.taken)
    return Joined(person, waiting_episode(open_to_it))
