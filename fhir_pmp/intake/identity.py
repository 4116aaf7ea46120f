"""Who an enrolment is about: only our referral number or an exact identifier, with the same birth date, joins it."""

from dataclasses import dataclass
from enum import StrEnum

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.identifiers import PersonId
from fhir_pmp.intake.arrivals import ArrivedEnrolment
from fhir_pmp.pathway.facts import Episode, EpisodeState, Person, Referral
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
    IDENTIFIERS_DIFFER = (
        "the referral number is right, and an identifier of the same system has another value"
    )


@dataclass(frozen=True, slots=True)
class Joined:
    """The decision: a known person (None: a new one), their waiting referred episode, or a doubt with whom."""

    person: Person | None = None
    episode: Episode | None = None
    doubt: Doubt | None = None
    others: tuple[PersonId, ...] = ()


def join_enrolment(books: Books, arrival: ArrivedEnrolment) -> Joined:
    """Decides whose enrolment this is. Raises ReferralNumberUnknown, ReferralNotAccepted."""
    if arrival.referral_number is not None:
        referral = books.referrals.find_by_number(arrival.referral_number)
        if referral is None:
            raise ReferralNumberUnknown(field="referral_number")
        return _join_referral(books, arrival, referral)
    return _join_by_identifier(books, arrival)


def _join_referral(books: Books, arrival: ArrivedEnrolment, referral: Referral) -> Joined:
    person = books.people.get(referral.person)
    episode = books.episodes.get(referral.episode)
    if person.birth_date != arrival.birth_date:
        return Joined(doubt=Doubt.BIRTH_DATE_DIFFERS, others=(person.id,))
    if _contradict(person, arrival):
        return Joined(doubt=Doubt.IDENTIFIERS_DIFFER, others=(person.id,))
    if episode.enrolment is not None:
        return Joined(doubt=Doubt.REFERRAL_TAKEN, others=(person.id,))
    return Joined(person, _accepted(episode))


def _join_by_identifier(books: Books, arrival: ArrivedEnrolment) -> Joined:
    bearers = {
        p.id: p for found in books.people.find_by_identifiers(arrival.identifiers).values() for p in found
    }
    if not bearers:
        return Joined()
    same_birth = [person for person in bearers.values() if person.birth_date == arrival.birth_date]
    if len(same_birth) != 1 or len(bearers) != 1:
        doubt = Doubt.SEVERAL_BEARERS if len(bearers) > 1 else Doubt.BIRTH_DATE_DIFFERS
        return Joined(doubt=doubt, others=tuple(bearers))
    person = same_birth[0]
    if _contradict(person, arrival):
        return Joined(doubt=Doubt.IDENTIFIERS_DIFFER, others=(person.id,))
    waiting = [
        e for e in books.episodes.of_person(person.id) if e.enrolment is None and e.referral is not None
    ]
    open_ones = [e for e in waiting if e.state in (EpisodeState.REFERRED, EpisodeState.ACCEPTED)]
    return Joined(person, _accepted(open_ones[-1]) if open_ones else None)


def _accepted(episode: Episode) -> Episode | None:
    """The episode the enrolment goes on in. A referral that was declined or cancelled starts nothing."""
    if episode.state is EpisodeState.REFERRED:
        raise ReferralNotAccepted(field="referral_number")
    return episode if episode.state is EpisodeState.ACCEPTED else None


def _contradict(person: Person, arrival: ArrivedEnrolment) -> bool:
    """Whether one system gave them two values: different national numbers are never one human being."""
    known = {identifier.system: identifier.value for identifier in person.identifiers}
    return any(known.get(i.system, i.value) != i.value for i in arrival.identifiers)
