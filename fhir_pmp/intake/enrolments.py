"""Enrolments arrive: people become known or are joined, episodes begin or move, and all of it is published."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.identifiers import ReferralId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, Fate, Receipt
from fhir_pmp.intake.changes import Ground, change_resources
from fhir_pmp.intake.enrolment_plans import Plan, plan_enrolment
from fhir_pmp.intake.identity import Known, ReferralNotAccepted
from fhir_pmp.intake.questions import (
    ENDING_DIFFERS,
    FOUND_ELSEWHERE,
    NAMED_LATE,
    PERSON_DIFFERS,
    WAITING,
    WHO_IS_THIS,
    ask,
)
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import ENDINGS, By, Event, move
from fhir_pmp.pathway.facts import Episode, Person
from fhir_pmp.pathway.outcomes import Scored
from fhir_pmp.publishing.care import publish_care
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books
from fhir_pmp.store.letters import LetterKind


def record_enrolments(
    books: Books, clinic: Clinic, publisher: Publisher, arrivals: Sequence[ArrivedEnrolment], now: datetime
) -> list[Receipt]:
    """Records what one platform says of its enrolments, each for itself, in order. Never raises for one arrival.

    A repeat is REPEATED; a change of consent, lessons, dates or ending is AMENDED, or REFUSED where the arrival does
    not say that it amends.
    """
    if not arrivals:
        return []
    known = Known.of(books, arrivals)
    receipts: list[Receipt] = []
    plans: list[Plan] = []
    for arrival in arrivals:
        try:
            plan = plan_enrolment(known, clinic, arrival, now)
        except FhirPmpError as refusal:
            receipts.append(Receipt(Fate.REFUSED, refusal=refusal))
            if isinstance(refusal, ReferralNotAccepted):
                _let_wait(books, arrival, now)
            continue
        receipts.append(Receipt(plan.fate, id=plan.after.id))
        plans.append(plan)
    _keep(books, clinic, publisher, plans, now)
    return receipts


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
    """Ends an episode by a clinician's word or by time; a discharge letter falls due in this transaction.

    `on` and `reason` count where none was given before. Raises MoveNotListed, naming the moves that are.
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


def _keep(books: Books, clinic: Clinic, publisher: Publisher, plans: Sequence[Plan], now: datetime) -> None:
    new = [plan for plan in plans if plan.before is None]
    if new:
        by = new[0].by
        books.people.add_many([plan.person for plan in new if plan.person_before is None], now=now)
        then = {plan.after.id: [(e, a.value, b.value) for e, a, b in plan.moves] for plan in new}
        books.episodes.add_many([plan.after for plan in new], event=Event.ENROL, by=by, now=now, then=then)
    for plan in plans:
        if plan.before is not None and plan.changes_something:
            _change(books, publisher, plan, plan.before, now)
        _ask(books, plan, now)
    books.letters_due.add_many((plan.after.id for plan in plans if plan.ends), LetterKind.DISCHARGE, now=now)
    changed = dict.fromkeys(plan.after.id for plan in plans if plan.before is None or plan.changes_something)
    publish_care(books, clinic, publisher, list(changed), now)
    books.letters.review_again(
        plan.after.id for plan in plans if plan.before is not None and plan.changes_something
    )
    _rebase(books, clinic, publisher, plans, now)


def _rebase(books: Books, clinic: Clinic, publisher: Publisher, plans: Sequence[Plan], now: datetime) -> None:
    """Another day of starting moves the windows, and with them what changes are counted from."""
    moved = {
        plan.after.id: plan.after
        for plan in plans
        if plan.before is not None
        and plan.before.started_on not in (None, plan.after.started_on)
        and not plan.after.doubtful
    }
    recorded = books.responses.of_episodes(moved) if moved else {}
    grounds = [
        Ground(
            episode=moved[episode],
            scored=tuple(Scored(one.response, one.scores) for one in found),
            instruments=frozenset(one.response.instrument for one in found),
            new=frozenset(),
        )
        for episode, found in recorded.items()
    ]
    publisher.publish(books, change_resources(books, clinic, grounds), now=now)


def _change(books: Books, publisher: Publisher, plan: Plan, before: Episode, now: datetime) -> None:
    if plan.person_before is not None and plan.person != plan.person_before:
        books.people.update(plan.person)
        _find_anew(books, plan.person_before, plan.person, now)
    episode = before
    as_said = replace(plan.after, state=before.state, share_with_ehr=before.share_with_ehr)
    if as_said != before:
        episode = books.episodes.update(as_said, now=now)
    for event, _, after in plan.moves:
        reason = plan.after.end_reason if event in ENDINGS else None
        episode = books.episodes.move(episode, after, event=event, by=plan.by, now=now, reason=reason)
    if plan.after.share_with_ehr != before.share_with_ehr:
        episode = books.episodes.set_consent(episode, plan.after.share_with_ehr, by=plan.by, now=now)
        if episode.share_with_ehr:
            publisher.publish_again(books, episode, now=now)
        else:
            publisher.withhold(books, episode)
    if before.enrolment is None:
        about = f"episode/{before.id}"
        books.work_items.close_about(WAITING, about, by=plan.by, how="accepted, and given again", now=now)


def _find_anew(books: Books, before: Person, now_known: Person, now: datetime) -> None:
    """A destination that found its patient by what is corrected now is asked again: it may have found another's record."""
    kept = set(before.identifiers) <= set(now_known.identifiers)
    if kept and before.birth_date == now_known.birth_date:
        return
    forgotten = books.destination_ids.forget_found(f"Patient/{now_known.id}")
    if forgotten:
        books.work_items.open(
            FOUND_ELSEWHERE,
            role="administrator",
            about=f"person/{now_known.id}",
            person=now_known.id,
            what="an identifier or birth date was corrected by which an EHR had found this person: "
            "what was sent there before may stand in another's record",
            details={"destinations": forgotten},
            now=now,
        )


def _ask(books: Books, plan: Plan, now: datetime) -> None:
    """What only a person can decide about this enrolment."""
    arrival, episode = plan.arrival, plan.after
    whose = {"source": arrival.source, "enrolment": arrival.enrolment}
    about = f"episode/{episode.id}"
    if plan.doubt is not None:
        details: dict[str, object] = {"others": list(plan.others), "referral": plan.referral}
        _put(books, WHO_IS_THIS, about, plan.doubt.value, plan, details, now)
    elif plan.referral is not None and not _was_asked_who(books, about, plan.referral):
        what = "the platform names a referral for an enrolment that began without it"
        _put(books, NAMED_LATE, about, what, plan, {**whose, "referral": plan.referral}, now)
    if plan.differs:
        what = "the platform says something else of this person than the door that registered them"
        said = {name: str(getattr(arrival, name)) for name in plan.differs}
        details = {**whose, "fields": list(plan.differs), "said": said}
        _put(books, PERSON_DIFFERS, f"person/{plan.person.id}", what, plan, details, now)
    if plan.ended_otherwise:
        what = "the platform says of this ended episode that it ended in another way"
        _put(books, ENDING_DIFFERS, about, what, plan, {**whose, "ended_how": arrival.ended_how}, now)


def _put(
    books: Books, kind: str, about: str, what: str, plan: Plan, details: dict[str, object], now: datetime
) -> None:
    ask(books, kind, about, what, person=plan.person.id, episode=plan.after.id, details=details, now=now)


def _was_asked_who(books: Books, about: str, referral: ReferralId) -> bool:
    asked = books.work_items.find_last(WHO_IS_THIS, about)
    return asked is not None and asked.details.get("referral") == referral


def _let_wait(books: Books, arrival: ArrivedEnrolment, now: datetime) -> None:
    """An enrolment that names a referral not yet accepted: the referral's episode says so on the worklist."""
    episode = _waiting_episode(books, arrival)
    if episode is not None:
        ask(
            books,
            WAITING,
            f"episode/{episode.id}",
            "the platform has enrolled a person whose referral nobody has accepted yet",
            person=episode.person,
            episode=episode.id,
            details={"source": arrival.source, "enrolment": arrival.enrolment},
            now=now,
        )


def _waiting_episode(books: Books, arrival: ArrivedEnrolment) -> Episode | None:
    if arrival.referral_number is not None:
        referral = books.referrals.find_by_number(arrival.referral_number)
        return None if referral is None else books.episodes.get(referral.episode)
    found = books.people.find_by_identifiers(arrival.identifiers).values()
    people = {person.id for persons in found for person in persons}
    return _newest(e for person in people for e in books.episodes.of_person(person) if e.referral is not None)


def _newest(episodes: Iterable[Episode]) -> Episode | None:
    found = list(episodes)
    return found[-1] if found else None
