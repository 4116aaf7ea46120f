"""Decides every change of an enrolment before any is written, so a refusal writes nothing."""

from dataclasses import dataclass, replace
from datetime import datetime

from fhir_pmp.errors import Fault, NotAllowed
from fhir_pmp.identifiers import ReferralId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedPractice, Ending, RecordingStatus
from fhir_pmp.intake.enrolment.enrolment_checks import check_enrolment
from fhir_pmp.intake.matching.person_match import (
    EnrolmentBatch,
    IdentityDoubt,
    PersonMatch,
    ReferralNumberUnknown,
    match_enrolment,
)
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.episode_states import Actor, EpisodeEvent, move
from fhir_pmp.pathway.facts import ENDED, Episode, EpisodeState, Lesson, Person, Practice

ENDING_EVENTS = {
    Ending.FINISHED: EpisodeEvent.FINISH,
    Ending.STOPPED: EpisodeEvent.STOP,
    Ending.NEVER_STARTED: EpisodeEvent.NEVER_START,
}


class EnrolmentDiffers(NotAllowed):
    """Something else is recorded under this enrolment. If this replaces it, the platform says that it amends."""


class EpisodeHasCommenced(NotAllowed):
    """The episode has commenced, and no move leads back from there. The platform looks at what it recorded."""


_COMMENCED_STATES = frozenset({EpisodeState.COMMENCED, EpisodeState.FINISHED, EpisodeState.STOPPED})


@dataclass(frozen=True, slots=True)
class EnrolmentPlan:
    """The planned changes of one enrolment.

    If `before` is None, a new episode begins with the move ENROL.
    """

    arrival: ArrivedEnrolment
    person: Person
    person_before: Person | None  # None: a new person
    before: Episode | None
    after: Episode
    moves: tuple[tuple[EpisodeEvent, EpisodeState, EpisodeState], ...]  # after the first
    differing_fields: tuple[str, ...]  # fields that differ from the source that registered the person
    doubt: IdentityDoubt | None = None
    others: tuple[str, ...] = ()
    referral: ReferralId | None = None  # named by the enrolment, but not continued by it
    ending_differs: bool = False  # the platform reports another ending than the recorded one

    @property
    def by(self) -> str:
        """The source, as the audit names it."""
        return f"source:{self.arrival.source}"

    @property
    def has_changes(self) -> bool:
        """Whether any recorded data would change."""
        return self.before != self.after or self.person != self.person_before

    @property
    def status(self) -> RecordingStatus:
        """The recording status; a first enrolment is ACCEPTED even if a referral came before it."""
        if self.before is None or self.before.enrolment is None:
            return RecordingStatus.ACCEPTED
        return RecordingStatus.AMENDED if self.has_changes else RecordingStatus.REPEATED

    @property
    def changed_fields(self) -> tuple[str, ...]:
        """The submitted fields whose recorded values would change."""
        if self.before is None or self.person_before is None:
            return ()
        names = [
            name for name in _PERSON_FIELDS if getattr(self.person, name) != getattr(self.person_before, name)
        ]
        names += [name for name in _EPISODE_FIELDS if getattr(self.after, name) != getattr(self.before, name)]
        return tuple(names + (["ended_how"] if self.ends_episode else []))

    @property
    def ends_episode(self) -> bool:
        """Whether this enrolment ends the episode."""
        return bool(self.moves) and self.moves[-1][2] in ENDED


_PERSON_FIELDS = ("given", "family", "birth_date", "sex", "identifiers")
_EPISODE_FIELDS = (
    *("share_with_ehr", "enrolled_on", "started_on", "ended_on", "end_reason", "lessons", "practice"),
)


def plan_enrolment(
    batch: EnrolmentBatch, clinic: ClinicalContext, arrival: ArrivedEnrolment, now: datetime
) -> EnrolmentPlan:
    """Decides the changes of one enrolment and updates the batch with them.

    Raises EnrolmentContradicts, ReferralNumberUnknown, ReferralNotAccepted, MoveNotListed, EnrolmentDiffers.
    """
    check_enrolment(arrival, clinic, now)
    before = batch.episodes.get(arrival.enrolment)
    if before is not None:
        plan = _plan_restatement(batch, clinic, arrival, before)
    else:
        matched = match_enrolment(batch, arrival)
        if matched.episode is not None and matched.person is not None:
            plan = _plan_continuation(batch, clinic, arrival, matched.person, matched.episode)
            batch.used_referral_episodes.add(matched.episode.id)
        else:
            plan = _plan_new_episode(clinic, arrival, matched)
    batch.episodes[arrival.enrolment] = plan.after
    if plan.person_before is None:
        batch.add_person(plan.person)
    batch.people[plan.person.id] = plan.person
    return plan


def _plan_new_episode(
    clinic: ClinicalContext, arrival: ArrivedEnrolment, matched: PersonMatch
) -> EnrolmentPlan:
    person = matched.person or Person(
        id=clinic.ids.person_id(arrival.source, arrival.enrolment),
        given=arrival.given,
        family=arrival.family,
        birth_date=arrival.birth_date,
        sex=arrival.sex,
        identifiers=arrival.identifiers,
        registered_by=f"source:{arrival.source}",
    )
    new_episode = Episode(
        id=clinic.ids.episode_id(arrival.source, arrival.enrolment),
        person=person.id,
        state=move(None, EpisodeEvent.ENROL, Actor.PLATFORM),
        referral=None,
        source=arrival.source,
        enrolment=arrival.enrolment,
        share_with_ehr=arrival.share_with_ehr,
        doubtful=matched.doubt is not None,
        referred_on=None,
        enrolled_on=arrival.enrolled_on,
        started_on=arrival.started_on,
        ended_on=arrival.ended_on,
        end_reason=arrival.end_reason,
        lessons=_lessons(arrival),
        practice=_practice(clinic, arrival.practice),
    )
    after, moves = _apply_moves(clinic, new_episode, arrival)
    return EnrolmentPlan(
        arrival=arrival,
        person=person,
        person_before=matched.person,
        before=None,
        after=after,
        moves=moves,
        differing_fields=() if matched.person is None else _differing_fields(matched.person, arrival),
        doubt=matched.doubt,
        others=matched.others,
        referral=matched.referral,
    )


def _plan_restatement(
    batch: EnrolmentBatch, clinic: ClinicalContext, arrival: ArrivedEnrolment, before: Episode
) -> EnrolmentPlan:
    """Plans the changes of a known enrolment that is submitted again, with its questions."""
    plan = _plan_continuation(batch, clinic, arrival, batch.person(before.person), before)
    if not arrival.amends and (plan.has_changes or plan.ending_differs):
        fields = plan.changed_fields or ("ended_how",)
        raise EnrolmentDiffers(faults=[Fault(name, "differs from what is recorded") for name in fields])
    named_referral = _late_referral(batch, arrival, before)
    holders = _other_holders(batch, plan)
    if holders:
        # Care and publishing of the known person continue: the episode is not put in doubt.
        return replace(plan, referral=named_referral, doubt=IdentityDoubt.SEVERAL_HOLDERS, others=holders)
    return replace(plan, referral=named_referral)


def _late_referral(batch: EnrolmentBatch, arrival: ArrivedEnrolment, before: Episode) -> ReferralId | None:
    """The referral that a known enrolment names now but did not begin with."""
    if arrival.referral_number is None:
        return None
    referral = batch.uow.referrals.find_by_number(arrival.referral_number)
    if referral is None:
        raise ReferralNumberUnknown(field="referral_number")
    return None if referral.id == before.referral else referral.id


def _other_holders(batch: EnrolmentBatch, plan: EnrolmentPlan) -> tuple[str, ...]:
    """Other persons with an identifier that the platform adds to this known person."""
    held_before = () if plan.person_before is None else plan.person_before.identifiers
    new = [one for one in plan.person.identifiers if one not in held_before]
    found = batch.uow.people.find_by_identifiers(new) if new else {}
    return tuple({p.id: None for people in found.values() for p in people if p.id != plan.person.id})


def _plan_continuation(
    batch: EnrolmentBatch, clinic: ClinicalContext, arrival: ArrivedEnrolment, person: Person, before: Episode
) -> EnrolmentPlan:
    # The record that registered a person owns name and birth date: of two records of one person, the first.
    owns_person = person.registered_by == f"source:{arrival.source}" and person.id == clinic.ids.person_id(
        arrival.source, arrival.enrolment
    )
    ending_differs = _ending_differs(before, arrival)
    stated = replace(
        before,
        source=arrival.source,
        enrolment=arrival.enrolment,
        share_with_ehr=arrival.share_with_ehr,
        enrolled_on=arrival.enrolled_on,
        started_on=arrival.started_on,
        # The recorded ending stays if the platform reports none or another one.
        ended_on=before.ended_on if ending_differs else arrival.ended_on or before.ended_on,
        end_reason=before.end_reason if ending_differs else arrival.end_reason or before.end_reason,
        lessons=_lessons(arrival),
        # Letters go to the referring practice; the platform's practice counts only without a referral.
        practice=before.practice if before.referral is not None else _practice(clinic, arrival.practice),
    )
    if before.state in _COMMENCED_STATES and not clinic.programme.commenced.is_met_by(stated):
        raise EpisodeHasCommenced(field="started_on")
    after, moves = _apply_moves(clinic, stated, arrival)
    return EnrolmentPlan(
        arrival=arrival,
        person=_with_arrival_fields(person, arrival) if owns_person else person,
        person_before=person,
        before=before,
        after=after,
        moves=moves,
        differing_fields=() if owns_person else _differing_fields(person, arrival),
        ending_differs=ending_differs,
    )


def _ending_differs(before: Episode, arrival: ArrivedEnrolment) -> bool:
    if arrival.ended_how is None or before.state not in ENDED:
        return False
    return before.state is not EpisodeState(arrival.ended_how.value)


def _apply_moves(
    clinic: ClinicalContext, episode: Episode, arrival: ArrivedEnrolment
) -> tuple[Episode, tuple[tuple[EpisodeEvent, EpisodeState, EpisodeState], ...]]:
    """Applies the moves that the submission implies; returns the episode and the moves."""
    moves = []
    state = episode.state
    for event in _due_events(clinic, episode, arrival):
        after = move(state, event, Actor.PLATFORM)
        moves.append((event, state, after))
        state = after
    return replace(episode, state=state), tuple(moves)


def _due_events(clinic: ClinicalContext, episode: Episode, arrival: ArrivedEnrolment) -> list[EpisodeEvent]:
    events = [EpisodeEvent.ENROL] if episode.state is EpisodeState.ACCEPTED else []
    if episode.state in (
        EpisodeState.ACCEPTED,
        EpisodeState.ENROLLED,
    ) and clinic.programme.commenced.is_met_by(episode):
        events.append(EpisodeEvent.COMMENCE)
    if arrival.ended_how is not None and episode.state not in ENDED:
        events.append(ENDING_EVENTS[arrival.ended_how])
    return events


def _with_arrival_fields(person: Person, arrival: ArrivedEnrolment) -> Person:
    return replace(
        person,
        given=arrival.given,
        family=arrival.family,
        birth_date=arrival.birth_date,
        sex=arrival.sex,
        identifiers=arrival.identifiers,
    )


def _differing_fields(person: Person, arrival: ArrivedEnrolment) -> tuple[str, ...]:
    return tuple(
        name
        for name in ("given", "family", "birth_date", "sex")
        if getattr(person, name) != getattr(arrival, name) and getattr(arrival, name) != "unknown"
    )


def _lessons(arrival: ArrivedEnrolment) -> tuple[Lesson, ...]:
    return tuple(Lesson(number, on) for number, on in arrival.lessons)


def _practice(clinic: ClinicalContext, practice: ArrivedPractice | None) -> Practice | None:
    if practice is None:
        return None
    doctor = practice.practitioner_identifier
    return Practice(
        organization_id=clinic.ids.organization_id(practice.identifier),
        organization_identifier=practice.identifier,
        organization_name=practice.name,
        practitioner_id=clinic.ids.practitioner_id(doctor) if doctor else None,
        practitioner_identifier=doctor,
        practitioner_name=practice.practitioner_name,
    )
