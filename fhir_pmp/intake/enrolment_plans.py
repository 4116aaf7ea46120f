"""What an enrolment would change, decided whole before anything is written: a refusal leaves nothing behind."""

from dataclasses import dataclass, replace
from datetime import datetime

from fhir_pmp.errors import Fault, NotAllowed
from fhir_pmp.identifiers import ReferralId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedPractice, Ending, Fate
from fhir_pmp.intake.enrolment_checks import check_enrolment
from fhir_pmp.intake.identity import Doubt, Joined, Known, ReferralNumberUnknown, join_enrolment
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import By, Event, move
from fhir_pmp.pathway.facts import ENDED, Episode, EpisodeState, Lesson, Person, Practice

ENDING_EVENTS = {
    Ending.FINISHED: Event.FINISH,
    Ending.STOPPED: Event.STOP,
    Ending.NEVER_STARTED: Event.NEVER_START,
}


class EnrolmentDiffers(NotAllowed):
    """Something else is recorded under this enrolment. If this replaces it, the platform says that it amends."""


class HasCommenced(NotAllowed):
    """The episode has commenced, and no move leads back from there. The platform looks at what it recorded."""


_BEGUN = frozenset({EpisodeState.COMMENCED, EpisodeState.FINISHED, EpisodeState.STOPPED})


@dataclass(frozen=True, slots=True)
class Plan:
    """One enrolment, decided. `before` None: a new episode begins; its first move is to be enrolled."""

    arrival: ArrivedEnrolment
    person: Person
    person_before: Person | None  # None: somebody new
    before: Episode | None
    after: Episode
    moves: tuple[tuple[Event, EpisodeState, EpisodeState], ...]  # after the first
    differs: tuple[str, ...]  # what the platform says otherwise than the door that owns the person
    doubt: Doubt | None = None
    others: tuple[str, ...] = ()
    referral: ReferralId | None = None  # named, and not gone on in
    ended_otherwise: bool = False  # it says that the episode ended in another way than it did

    @property
    def by(self) -> str:
        """Who says so."""
        return f"source:{self.arrival.source}"

    @property
    def changes_something(self) -> bool:
        """Whether anything would be another way than before."""
        return self.before != self.after or self.person != self.person_before

    @property
    def fate(self) -> Fate:
        """What becomes of the arrival: new to us is an enrolment also where a referral came before it."""
        if self.before is None or self.before.enrolment is None:
            return Fate.ACCEPTED
        return Fate.AMENDED if self.changes_something else Fate.REPEATED

    @property
    def changed_fields(self) -> tuple[str, ...]:
        """What would be another way than before, by the names of the arrival's fields."""
        if self.before is None or self.person_before is None:
            return ()
        names = [
            name for name in _OF_PERSON if getattr(self.person, name) != getattr(self.person_before, name)
        ]
        names += [name for name in _OF_EPISODE if getattr(self.after, name) != getattr(self.before, name)]
        return tuple(names + (["ended_how"] if self.ends else []))

    @property
    def ends(self) -> bool:
        """Whether the episode ends by this."""
        return bool(self.moves) and self.moves[-1][2] in ENDED


_OF_PERSON = ("given", "family", "birth_date", "sex", "identifiers")
_OF_EPISODE = (
    *("share_with_ehr", "enrolled_on", "started_on", "ended_on", "end_reason", "lessons", "practice"),
)


def plan_enrolment(known: Known, clinic: Clinic, arrival: ArrivedEnrolment, now: datetime) -> Plan:
    """Decides one enrolment, and keeps what is known up to it.

    Raises EnrolmentContradicts, ReferralNumberUnknown, ReferralNotAccepted, MoveNotListed, EnrolmentDiffers.
    """
    check_enrolment(arrival, clinic, now)
    before = known.episodes.get(arrival.enrolment)
    if before is not None:
        plan = _restate(known, clinic, arrival, before)
    else:
        joined = join_enrolment(known, arrival)
        if joined.episode is not None and joined.person is not None:
            plan = _go_on(known, clinic, arrival, joined.person, joined.episode)
            known.taken.add(joined.episode.id)
        else:
            plan = _begin(clinic, arrival, joined)
    known.episodes[arrival.enrolment] = plan.after
    if plan.person_before is None:
        known.register(plan.person)
    known.people[plan.person.id] = plan.person
    return plan


def _begin(clinic: Clinic, arrival: ArrivedEnrolment, joined: Joined) -> Plan:
    person = joined.person or Person(
        id=clinic.person_id(arrival.source, arrival.enrolment),
        given=arrival.given,
        family=arrival.family,
        birth_date=arrival.birth_date,
        sex=arrival.sex,
        identifiers=arrival.identifiers,
        registered_by=f"source:{arrival.source}",
    )
    begun = Episode(
        id=clinic.episode_id(arrival.source, arrival.enrolment),
        person=person.id,
        state=move(None, Event.ENROL, By.PLATFORM),
        referral=None,
        source=arrival.source,
        enrolment=arrival.enrolment,
        share_with_ehr=arrival.share_with_ehr,
        doubtful=joined.doubt is not None,
        referred_on=None,
        enrolled_on=arrival.enrolled_on,
        started_on=arrival.started_on,
        ended_on=arrival.ended_on,
        end_reason=arrival.end_reason,
        lessons=_lessons(arrival),
        practice=_practice(clinic, arrival.practice),
    )
    after, moves = _moved(clinic, begun, arrival)
    return Plan(
        arrival=arrival,
        person=person,
        person_before=joined.person,
        before=None,
        after=after,
        moves=moves,
        differs=() if joined.person is None else _differences(joined.person, arrival),
        doubt=joined.doubt,
        others=joined.others,
        referral=joined.referral,
    )


def _restate(known: Known, clinic: Clinic, arrival: ArrivedEnrolment, before: Episode) -> Plan:
    """A known enrolment is stated again: what is new of it, and what it raises."""
    plan = _go_on(known, clinic, arrival, known.person(before.person), before)
    if not arrival.amends and (plan.changes_something or plan.ended_otherwise):
        fields = plan.changed_fields or ("ended_how",)
        raise EnrolmentDiffers(faults=[Fault(name, "differs from what is recorded") for name in fields])
    named = _named_late(known, arrival, before)
    bearers = _other_bearers(known, plan)
    if bearers:
        # The known person's care and publishing go on: the episode is not put in doubt.
        return replace(plan, referral=named, doubt=Doubt.SEVERAL_BEARERS, others=bearers)
    return replace(plan, referral=named)


def _named_late(known: Known, arrival: ArrivedEnrolment, before: Episode) -> ReferralId | None:
    """The referral that a known enrolment names and did not begin with."""
    if arrival.referral_number is None:
        return None
    referral = known.books.referrals.find_by_number(arrival.referral_number)
    if referral is None:
        raise ReferralNumberUnknown(field="referral_number")
    return None if referral.id == before.referral else referral.id


def _other_bearers(known: Known, plan: Plan) -> tuple[str, ...]:
    """Who else bears an identifier that the platform gives this known person only now."""
    held = () if plan.person_before is None else plan.person_before.identifiers
    new = [one for one in plan.person.identifiers if one not in held]
    found = known.books.people.find_by_identifiers(new) if new else {}
    return tuple({p.id: None for people in found.values() for p in people if p.id != plan.person.id})


def _go_on(known: Known, clinic: Clinic, arrival: ArrivedEnrolment, person: Person, before: Episode) -> Plan:
    # The record that registered a person owns name and birth date: of two records of one person, the first.
    owns = person.registered_by == f"source:{arrival.source}" and person.id == clinic.person_id(
        arrival.source, arrival.enrolment
    )
    ended_otherwise = _ended_otherwise(before, arrival)
    said = replace(
        before,
        source=arrival.source,
        enrolment=arrival.enrolment,
        share_with_ehr=arrival.share_with_ehr,
        enrolled_on=arrival.enrolled_on,
        started_on=arrival.started_on,
        # What was noted of the ending stays where the platform says nothing, or something else.
        ended_on=before.ended_on if ended_otherwise else arrival.ended_on or before.ended_on,
        end_reason=before.end_reason if ended_otherwise else arrival.end_reason or before.end_reason,
        lessons=_lessons(arrival),
        # Who referred the person is where letters go; the platform says so only of those nobody referred.
        practice=before.practice if before.referral is not None else _practice(clinic, arrival.practice),
    )
    if before.state in _BEGUN and not clinic.programme.commenced.met_by(said):
        raise HasCommenced(field="started_on")
    after, moves = _moved(clinic, said, arrival)
    return Plan(
        arrival=arrival,
        person=_as_said(person, arrival) if owns else person,
        person_before=person,
        before=before,
        after=after,
        moves=moves,
        differs=() if owns else _differences(person, arrival),
        ended_otherwise=ended_otherwise,
    )


def _ended_otherwise(before: Episode, arrival: ArrivedEnrolment) -> bool:
    if arrival.ended_how is None or before.state not in ENDED:
        return False
    return before.state is not EpisodeState(arrival.ended_how.value)


def _moved(
    clinic: Clinic, episode: Episode, arrival: ArrivedEnrolment
) -> tuple[Episode, tuple[tuple[Event, EpisodeState, EpisodeState], ...]]:
    """The episode after every move that the platform's word brings about, and those moves."""
    moves = []
    state = episode.state
    for event in _events(clinic, episode, arrival):
        after = move(state, event, By.PLATFORM)
        moves.append((event, state, after))
        state = after
    return replace(episode, state=state), tuple(moves)


def _events(clinic: Clinic, episode: Episode, arrival: ArrivedEnrolment) -> list[Event]:
    events = [Event.ENROL] if episode.state is EpisodeState.ACCEPTED else []
    if episode.state in (EpisodeState.ACCEPTED, EpisodeState.ENROLLED) and clinic.programme.commenced.met_by(
        episode
    ):
        events.append(Event.COMMENCE)
    if arrival.ended_how is not None and episode.state not in ENDED:
        events.append(ENDING_EVENTS[arrival.ended_how])
    return events


def _as_said(person: Person, arrival: ArrivedEnrolment) -> Person:
    return replace(
        person,
        given=arrival.given,
        family=arrival.family,
        birth_date=arrival.birth_date,
        sex=arrival.sex,
        identifiers=arrival.identifiers,
    )


def _differences(person: Person, arrival: ArrivedEnrolment) -> tuple[str, ...]:
    return tuple(
        name
        for name in ("given", "family", "birth_date", "sex")
        if getattr(person, name) != getattr(arrival, name) and getattr(arrival, name) != "unknown"
    )


def _lessons(arrival: ArrivedEnrolment) -> tuple[Lesson, ...]:
    return tuple(Lesson(number, on) for number, on in arrival.lessons)


def _practice(clinic: Clinic, practice: ArrivedPractice | None) -> Practice | None:
    if practice is None:
        return None
    doctor = practice.practitioner_identifier
    return Practice(
        organization_id=clinic.organization_id(practice.identifier),
        organization_identifier=practice.identifier,
        organization_name=practice.name,
        practitioner_id=clinic.practitioner_id(doctor) if doctor else None,
        practitioner_identifier=doctor,
        practitioner_name=practice.practitioner_name,
    )
