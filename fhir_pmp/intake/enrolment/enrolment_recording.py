"""Records enrolments: adds or matches people, starts or moves episodes, publishes the result."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.identifiers import ReferralId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, RecordingResult, RecordingStatus
from fhir_pmp.intake.clinician_questions import (
    EHR_LINK_FORGOTTEN,
    ENDING_DIFFERS,
    ENROLMENT_WAITS,
    PERSON_DIFFERS,
    REFERRAL_NAMED_LATE,
    WHO_IS_THIS,
    ask_clinician,
)
from fhir_pmp.intake.enrolment.enrolment_plans import EnrolmentPlan, plan_enrolment
from fhir_pmp.intake.episode.changes_since_baseline import ChangeInputs, build_change_observations
from fhir_pmp.intake.matching.person_match import EnrolmentBatch, ReferralNotAccepted
from fhir_pmp.pathway.episode_states import ENDINGS, EpisodeEvent
from fhir_pmp.pathway.facts import Episode, Person
from fhir_pmp.pathway.letter_kinds import LetterTrigger, letters_due
from fhir_pmp.pathway.scale_changes import ScoredResponse
from fhir_pmp.publishing.episode_resources import publish_episodes
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork


def record_enrolments(
    uow: UnitOfWork, context: PublishingContext, arrivals: Sequence[ArrivedEnrolment], now: datetime
) -> list[RecordingResult]:
    """Records the enrolments of one platform in order.

    A refusal is a result and stops no other enrolment. A repeat is REPEATED; a change of consent, lessons,
    dates or ending is AMENDED if the submission says that it amends, else REFUSED.
    """
    if not arrivals:
        return []
    batch = EnrolmentBatch.load(uow, arrivals)
    results: list[RecordingResult] = []
    plans: list[EnrolmentPlan] = []
    for arrival in arrivals:
        try:
            plan = plan_enrolment(batch, context.clinic, arrival, now)
        except FhirPmpError as refusal:
            results.append(RecordingResult(RecordingStatus.REFUSED, refusal=refusal))
            if isinstance(refusal, ReferralNotAccepted):
                _report_waiting_enrolment(uow, arrival, now)
            continue
        results.append(RecordingResult(plan.status, id=plan.after.id))
        plans.append(plan)
    _store_plans(uow, context, plans, now)
    return results


def _store_plans(
    uow: UnitOfWork, context: PublishingContext, plans: Sequence[EnrolmentPlan], now: datetime
) -> None:
    new = [plan for plan in plans if plan.before is None]
    if new:
        by = new[0].by
        uow.people.add_many([plan.person for plan in new if plan.person_before is None], now=now)
        then = {plan.after.id: [(e, a.value, b.value) for e, a, b in plan.moves] for plan in new}
        uow.episodes.add_many(
            [plan.after for plan in new], event=EpisodeEvent.ENROL, by=by, now=now, later_moves=then
        )
    for plan in plans:
        if plan.before is not None and plan.has_changes:
            _apply_plan(uow, context.publisher, plan, plan.before, now)
        _open_questions(uow, plan, now)
    ended = [plan.after.id for plan in plans if plan.ends_episode]
    for kind in letters_due(LetterTrigger.EPISODE_ENDED):
        uow.letters_due.add_many(ended, kind, now=now)
    changed = dict.fromkeys(plan.after.id for plan in plans if plan.before is None or plan.has_changes)
    publish_episodes(uow, context, list(changed), now)
    uow.letters.request_review(
        plan.after.id for plan in plans if plan.before is not None and plan.has_changes
    )
    _republish_changes(uow, context, plans, now)


def _republish_changes(
    uow: UnitOfWork, context: PublishingContext, plans: Sequence[EnrolmentPlan], now: datetime
) -> None:
    """Publishes changes since baseline again after a new start date moved the windows."""
    moved = {
        plan.after.id: plan.after
        for plan in plans
        if plan.before is not None
        and plan.before.started_on not in (None, plan.after.started_on)
        and not plan.after.doubtful
    }
    recorded = uow.responses.of_episodes(moved) if moved else {}
    all_inputs = [
        ChangeInputs(
            episode=moved[episode],
            scored=tuple(ScoredResponse(one.response, one.scores) for one in found),
            instruments=frozenset(one.response.instrument for one in found),
            new=frozenset(),
        )
        for episode, found in recorded.items()
    ]
    context.publisher.publish(uow, build_change_observations(uow, context.clinic, all_inputs), now=now)


def _apply_plan(
    uow: UnitOfWork, publisher: Publisher, plan: EnrolmentPlan, before: Episode, now: datetime
) -> None:
    if plan.person_before is not None and plan.person != plan.person_before:
        uow.people.update(plan.person)
        _forget_links_found_by_corrected_data(uow, plan.person_before, plan.person, now)
    episode = before
    stated = replace(plan.after, state=before.state, share_with_ehr=before.share_with_ehr)
    if stated != before:
        episode = uow.episodes.update(stated, now=now)
    for event, _, after in plan.moves:
        reason = plan.after.end_reason if event in ENDINGS else None
        episode = uow.episodes.move(episode, after, event=event, by=plan.by, now=now, reason=reason)
    if plan.after.share_with_ehr != before.share_with_ehr:
        episode = uow.episodes.set_consent(episode, plan.after.share_with_ehr, by=plan.by, now=now)
        if episode.share_with_ehr:
            publisher.republish_records(uow, episode, now=now)
        else:
            publisher.withhold(uow, episode)
    if before.enrolment is None:
        about = f"episode/{before.id}"
        uow.work_items.close_about(
            ENROLMENT_WAITS, about, by=plan.by, how="accepted, and given again", now=now
        )


def _forget_links_found_by_corrected_data(
    uow: UnitOfWork, before: Person, corrected: Person, now: datetime
) -> None:
    """Forgets EHR links that were matched by data corrected now; they may be of another person."""
    kept = set(before.identifiers) <= set(corrected.identifiers)
    if kept and before.birth_date == corrected.birth_date:
        return
    forgotten_at = uow.remote_ids.forget_matches(f"Patient/{corrected.id}")
    if forgotten_at:
        uow.work_items.open(
            EHR_LINK_FORGOTTEN,
            role="administrator",
            about=f"person/{corrected.id}",
            person=corrected.id,
            what="an identifier or birth date was corrected by which an EHR had found this person: "
            "what was sent there before may stand in another's record",
            details={"destinations": forgotten_at},
            now=now,
        )


def _open_questions(uow: UnitOfWork, plan: EnrolmentPlan, now: datetime) -> None:
    """Opens the work items of this enrolment that a clinician must decide."""
    arrival, episode = plan.arrival, plan.after
    enrolment_key = {"source": arrival.source, "enrolment": arrival.enrolment}
    about = f"episode/{episode.id}"
    if plan.doubt is not None:
        details: dict[str, object] = {"others": list(plan.others), "referral": plan.referral}
        _ask_about_plan(uow, WHO_IS_THIS, about, plan.doubt.value, plan, details, now)
    elif plan.referral is not None and not _has_identity_question(uow, about, plan.referral):
        what = "the platform names a referral for an enrolment that began without it"
        _ask_about_plan(
            uow, REFERRAL_NAMED_LATE, about, what, plan, {**enrolment_key, "referral": plan.referral}, now
        )
    if plan.differing_fields:
        what = "the platform states other personal details than those registered"
        claimed = {name: str(getattr(arrival, name)) for name in plan.differing_fields}
        details = {**enrolment_key, "fields": list(plan.differing_fields), "said": claimed}
        _ask_about_plan(uow, PERSON_DIFFERS, f"person/{plan.person.id}", what, plan, details, now)
    if plan.ending_differs:
        what = "the platform says of this ended episode that it ended in another way"
        _ask_about_plan(
            uow, ENDING_DIFFERS, about, what, plan, {**enrolment_key, "ended_how": arrival.ended_how}, now
        )


def _ask_about_plan(
    uow: UnitOfWork,
    kind: str,
    about: str,
    what: str,
    plan: EnrolmentPlan,
    details: dict[str, object],
    now: datetime,
) -> None:
    ask_clinician(
        uow, kind, about, what, person=plan.person.id, episode=plan.after.id, details=details, now=now
    )


def _has_identity_question(uow: UnitOfWork, about: str, referral: ReferralId) -> bool:
    asked = uow.work_items.find_last(WHO_IS_THIS, about)
    return asked is not None and asked.details.get("referral") == referral


def _report_waiting_enrolment(uow: UnitOfWork, arrival: ArrivedEnrolment, now: datetime) -> None:
    """Opens a work item on the episode of a referral that is enrolled before it is accepted."""
    episode = _find_referred_episode(uow, arrival)
    if episode is not None:
        ask_clinician(
            uow,
            ENROLMENT_WAITS,
            f"episode/{episode.id}",
            "the platform has enrolled a person whose referral nobody has accepted yet",
            person=episode.person,
            episode=episode.id,
            details={"source": arrival.source, "enrolment": arrival.enrolment},
            now=now,
        )


def _find_referred_episode(uow: UnitOfWork, arrival: ArrivedEnrolment) -> Episode | None:
    if arrival.referral_number is not None:
        referral = uow.referrals.find_by_number(arrival.referral_number)
        return None if referral is None else uow.episodes.get(referral.episode)
    found = uow.people.find_by_identifiers(arrival.identifiers).values()
    people = {person.id for persons in found for person in persons}
    return _newest(e for person in people for e in uow.episodes.of_person(person) if e.referral is not None)


def _newest(episodes: Iterable[Episode]) -> Episode | None:
    found = list(episodes)
    return found[-1] if found else None
