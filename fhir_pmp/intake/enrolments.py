"""An enrolment arrives: a person becomes known or is joined, an episode begins or moves, and both are published."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from fhir_pmp.errors import Fault, FhirPmpError, NotUnderstood
from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedPractice, Ending, Fate, Receipt
from fhir_pmp.intake.identity import Joined, join_enrolment
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import ENDINGS, By, Event, move
from fhir_pmp.pathway.facts import ENDED, Episode, EpisodeState, Lesson, Person, Practice
from fhir_pmp.pathway.timepoints import today
from fhir_pmp.publishing.care import publish_care
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books
from fhir_pmp.store.letters import LetterKind

_EVENTS = {
    Ending.FINISHED: Event.FINISH,
    Ending.STOPPED: Event.STOP,
    Ending.NEVER_STARTED: Event.NEVER_START,
}


def record_enrolments(
    books: Books, clinic: Clinic, publisher: Publisher, arrivals: Sequence[ArrivedEnrolment], now: datetime
) -> list[Receipt]:
    """Records what a platform says of its enrolments, each for itself, in order. Never raises for one arrival.

    The newest statement counts: a repeat is REPEATED, a change of consent, lessons, dates or ending is AMENDED.
    """
    receipts = []
    touched: dict[EpisodeId, None] = {}
    for arrival in arrivals:
        try:
            receipt = _record(books, clinic, publisher, arrival, now)
        except FhirPmpError as refusal:
            receipt = Receipt(Fate.REFUSED, faults=refusal.faults)
        if receipt.fate in (Fate.ACCEPTED, Fate.AMENDED):
            touched[EpisodeId(receipt.id or "")] = None
        receipts.append(receipt)
    publish_care(books, clinic, publisher, list(touched), now)
    return receipts


def _record(
    books: Books, clinic: Clinic, publisher: Publisher, arrival: ArrivedEnrolment, now: datetime
) -> Receipt:
    _check(arrival, clinic, now)
    by = f"source:{arrival.source}"
    known = books.episodes.find_by_enrolment(arrival.source, arrival.enrolment)
    if known is not None:
        person = books.people.get(known.person)
        person_changed = _update_person(books, person, arrival, by, now)
        episode = _update_episode(books, clinic, publisher, known, arrival, by, now)
        changed = person_changed or episode != known
        return Receipt(Fate.AMENDED if changed else Fate.REPEATED, id=known.id)
    episode = _begin(books, clinic, join_enrolment(books, arrival), arrival, by, now)
    _update_episode(books, clinic, publisher, episode, arrival, by, now)
    return Receipt(Fate.ACCEPTED, id=episode.id)


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


class EnrolmentContradicts(NotUnderstood):
    """What the enrolment says cannot all be true. The platform corrects it."""


def _begin(
    books: Books, clinic: Clinic, joined: Joined, arrival: ArrivedEnrolment, by: str, now: datetime
) -> Episode:
    if joined.episode is not None and joined.person is not None:
        _note_difference(books, joined.person, arrival, now)
        return _go_on(books, joined.episode, arrival, by, now)
    person = joined.person or _register(books, clinic, arrival, by, now)
    if joined.person is not None:
        _note_difference(books, joined.person, arrival, now)
    episode = Episode(
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
        ended_on=None,
        end_reason=None,
        lessons=_lessons(arrival),
        practice=_practice(clinic, arrival.practice),
    )
    books.episodes.add(episode, event=Event.ENROL, by=by, now=now)
    if joined.doubt is not None:
        books.work_items.open(
            kind="who_is_this",
            role="clinician",
            about=f"episode/{episode.id}",
            person=person.id,
            episode=episode.id,
            what=joined.doubt.value,
            details={"others": list(joined.others)},
            now=now,
        )
    return episode


def _go_on(books: Books, episode: Episode, arrival: ArrivedEnrolment, by: str, now: datetime) -> Episode:
    """An accepted referral's episode goes on as this enrolment."""
    after = move(episode.state, Event.ENROL, By.PLATFORM)
    moved = books.episodes.move(episode, after, event=Event.ENROL, by=by, now=now)
    joined = replace(
        moved, source=arrival.source, enrolment=arrival.enrolment, enrolled_on=arrival.enrolled_on
    )
    return books.episodes.update(joined, now=now)


def _register(books: Books, clinic: Clinic, arrival: ArrivedEnrolment, by: str, now: datetime) -> Person:
    person = Person(
        id=clinic.person_id(arrival.source, arrival.enrolment),
        given=arrival.given,
        family=arrival.family,
        birth_date=arrival.birth_date,
        sex=arrival.sex,
        identifiers=arrival.identifiers,
        registered_by=by,
    )
    books.people.add(person, now=now)
    return person


def _update_person(books: Books, person: Person, arrival: ArrivedEnrolment, by: str, now: datetime) -> bool:
    """The door that registered a person owns name and birth date; another door's difference is a work item."""
    if person.registered_by != by:
        _note_difference(books, person, arrival, now)
        return False
    said = replace(
        person,
        given=arrival.given,
        family=arrival.family,
        birth_date=arrival.birth_date,
        sex=arrival.sex,
        identifiers=arrival.identifiers,
    )
    if said == person:
        return False
    books.people.update(said)
    return True


def _note_difference(books: Books, person: Person, arrival: ArrivedEnrolment, now: datetime) -> None:
    fields = [
        name
        for name in ("given", "family", "birth_date", "sex")
        if getattr(person, name) != getattr(arrival, name) and getattr(arrival, name) != "unknown"
    ]
    if fields:
        books.work_items.open(
            kind="person_differs",
            role="clinician",
            about=f"person/{person.id}",
            person=PersonId(person.id),
            episode=None,
            what="the platform says something else of this person than the door that registered them",
            details={"fields": fields, "source": arrival.source, "enrolment": arrival.enrolment},
            now=now,
        )


def _update_episode(
    books: Books,
    clinic: Clinic,
    publisher: Publisher,
    episode: Episode,
    arrival: ArrivedEnrolment,
    by: str,
    now: datetime,
) -> Episode:
    said = replace(
        episode,
        enrolled_on=arrival.enrolled_on,
        started_on=arrival.started_on,
        # What a clinician noted of the ending stays where the platform says nothing.
        ended_on=arrival.ended_on or episode.ended_on,
        end_reason=arrival.end_reason or episode.end_reason,
        lessons=_lessons(arrival),
        # Who referred the person is where letters go; the platform says so only of those nobody referred.
        practice=episode.practice if episode.referral is not None else _practice(clinic, arrival.practice),
    )
    if said != episode:
        episode = books.episodes.update(said, now=now)
    if arrival.share_with_ehr != episode.share_with_ehr:
        episode = books.episodes.set_consent(episode, arrival.share_with_ehr, by=by, now=now)
        if episode.share_with_ehr:
            publisher.publish_again(books, episode, now=now)
        else:
            publisher.withhold(books, episode)
    return _move(books, clinic, episode, arrival, by, now)


def _move(
    books: Books, clinic: Clinic, episode: Episode, arrival: ArrivedEnrolment, by: str, now: datetime
) -> Episode:
    if episode.state is EpisodeState.ENROLLED and clinic.programme.commenced.met_by(episode):
        after = move(episode.state, Event.COMMENCE, By.PLATFORM)
        episode = books.episodes.move(episode, after, event=Event.COMMENCE, by=by, now=now)
    if arrival.ended_how is not None and episode.state not in ENDED:
        episode = end_episode(books, episode, _EVENTS[arrival.ended_how], By.PLATFORM, by, now)
    return episode


def end_episode(
    books: Books,
    episode: Episode,
    event: Event,
    actor: By,
    by: str,
    now: datetime,
    *,
    on: date | None = None,
    reason: str | None = None,
) -> Episode:
    """Ends an episode by the platform's or a clinician's word; a discharge letter falls due in this transaction.

    `on` and `reason` count where the platform gave none. Raises MoveNotListed, naming the moves that are.
    """
    after = move(episode.state, event, actor)
    why = episode.end_reason or reason
    dated = replace(episode, ended_on=episode.ended_on or on, end_reason=why)
    if dated != episode:
        episode = books.episodes.update(dated, now=now)
    ended = books.episodes.move(episode, after, event=event, by=by, now=now, reason=why)
    if event in ENDINGS:
        books.letters_due.add(ended.id, LetterKind.DISCHARGE, now=now)
    return ended


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
