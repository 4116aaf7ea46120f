"""What an enrolment would change, decided whole before anything is written: a refusal leaves nothing behind."""

from dataclasses import dataclass, replace
from datetime import date, datetime

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedPractice, Ending
from fhir_pmp.intake.identity import Doubt, Joined, Known, join_enrolment
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import By, Event, move
from fhir_pmp.pathway.facts import ENDED, Episode, EpisodeState, Lesson, Person, Practice
from fhir_pmp.pathway.timepoints import today

_EVENTS = {
    Ending.FINISHED: Event.FINISH,
    Ending.STOPPED: Event.STOP,
    Ending.NEVER_STARTED: Event.NEVER_START,
}


class EnrolmentContradicts(NotUnderstood):
    """What the enrolment says cannot all be true. The platform corrects it."""


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

    @property
    def by(self) -> str:
        """Who says so."""
        return f"source:{self.arrival.source}"

    @property
    def changes_something(self) -> bool:
        """Whether anything would be another way than before."""
        return self.before != self.after or self.person != self.person_before

    @property
    def ends(self) -> bool:
        """Whether the episode ends by this."""
        return bool(self.moves) and self.moves[-1][2] in ENDED


def plan_enrolment(known: Known, clinic: Clinic, arrival: ArrivedEnrolment, now: datetime) -> Plan:
    """Decides one enrolment, and keeps what is known up to it.

    Raises EnrolmentContradicts, ReferralNumberUnknown, ReferralNotAccepted, MoveNotListed.
    """
    _check(arrival, clinic, now)
    before = known.episodes.get(arrival.enrolment)
    if before is not None:
        plan = _go_on(known, clinic, arrival, known.person(before.person), before)
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


def _check(arrival: ArrivedEnrolment, clinic: Clinic, now: datetime) -> None:
    """Dates to come, and dates that contradict each other, are refused with every fault at once."""
    day = today(now, clinic.zone)
    lessons = [(f"lesson_{number}", done) for number, done in arrival.lessons]
    dated: list[tuple[str, date | None]] = [
        ("birth_date", arrival.birth_date),
        ("enrolled_on", arrival.enrolled_on),
        ("started_on", arrival.started_on),
        ("ended_on", arrival.ended_on),
        *lessons,
    ]
    faults = [Fault(name, "lies in the future") for name, on in dated if on is not None and on > day]
    if arrival.started_on is None and arrival.lessons:
        faults.append(Fault("started_on", "is missing, and lessons were completed"))
    faults += [
        Fault(name, "lies before the start")
        for name, on in lessons
        if on is not None and arrival.started_on is not None and on < arrival.started_on
    ]
    if arrival.ended_on is not None and arrival.ended_how is None:
        faults.append(Fault("ended_how", "is missing, and a day of ending is given"))
    if arrival.ended_how is Ending.NEVER_STARTED and arrival.started_on is not None:
        faults.append(Fault("ended_how", "says never started, and a day of starting is given"))
    if faults:
        raise EnrolmentContradicts(faults=faults)


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
    )


def _go_on(known: Known, clinic: Clinic, arrival: ArrivedEnrolment, person: Person, before: Episode) -> Plan:
    owns = person.registered_by == f"source:{arrival.source}"
    said = replace(
        before,
        source=arrival.source,
        enrolment=arrival.enrolment,
        share_with_ehr=arrival.share_with_ehr,
        enrolled_on=arrival.enrolled_on,
        started_on=arrival.started_on,
        # What a clinician noted of the ending stays where the platform says nothing.
        ended_on=arrival.ended_on or before.ended_on,
        end_reason=arrival.end_reason or before.end_reason,
        lessons=_lessons(arrival),
        # Who referred the person is where letters go; the platform says so only of those nobody referred.
        practice=before.practice if before.referral is not None else _practice(clinic, arrival.practice),
    )
    after, moves = _moved(clinic, said, arrival)
    return Plan(
        arrival=arrival,
        person=_as_said(person, arrival) if owns else person,
        person_before=person,
        before=before,
        after=after,
        moves=moves,
        differs=() if owns else _differences(person, arrival),
    )


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
        events.append(_EVENTS[arrival.ended_how])
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
