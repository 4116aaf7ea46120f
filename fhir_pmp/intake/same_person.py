"""A clinician decides who a doubtful record is: the same person as a known one, or a person of their own."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.fhir.patient import replaced_by
from fhir_pmp.fhir.relay import relayed_meta, repoint
from fhir_pmp.fhir.rendered import Rendered, render
from fhir_pmp.identifiers import PersonId, ReferralId
from fhir_pmp.intake.episode_record import publish_record
from fhir_pmp.intake.identity import waiting_episode
from fhir_pmp.intake.questions import WHO_IS_THIS
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import Event, move
from fhir_pmp.pathway.facts import ENDED, Episode, EpisodeState
from fhir_pmp.publishing.care import read_published
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books
from fhir_pmp.store.errors import ChangedMeanwhile
from fhir_pmp.store.published import PublishedVersion
from fhir_pmp.store.readers import Reader
from fhir_pmp.store.work_items import WorkItem


class Decision(StrEnum):
    """The two answers to "who is this?"."""

    SAME_PERSON = "the same person"
    ANOTHER_PERSON = "another person"


class NotThisQuestion(NotAllowed):
    """That work item does not ask who somebody is. The clinician looks at the worklist again."""


class OtherInDoubt(NotAllowed):
    """Who the other record is has not been decided itself. The clinician decides that first."""


class WhichPerson(NotUnderstood):
    """The same person as whom is not said, or not one of those the work item names. The clinician chooses one."""


def decide_same_person(
    books: Books,
    clinic: Clinic,
    publisher: Publisher,
    work_item: int,
    decision: Decision,
    *,
    by: str,
    now: datetime,
    same_as: PersonId | None = None,
) -> Episode:
    """Closes a `who_is_this` work item and lifts the doubt; returns the episode as it stands then.

    SAME_PERSON: everything of the doubtful record goes over to the known person, what was published of it by new
    versions; an enrolment goes on in that person's accepted referral, if there is one. `same_as` names the known
    person where the item names several. ANOTHER_PERSON: the record stays a person of its own. Either way what was
    held back is published now, as consent allows. `by` is the account, as the audit names it.

    Raises NotStored, NotThisQuestion, ChangedMeanwhile (it was decided before), WhichPerson, and ReferralNotAccepted:
    the person's referral is accepted first, OtherInDoubt. Runs in the transaction of `books` (`Store.begin`).
    """
    item = books.work_items.get(work_item)
    if item.kind != WHO_IS_THIS or item.episode is None:
        raise NotThisQuestion(field="work item")
    if item.closed_at is not None:
        raise ChangedMeanwhile("it was decided before", field="work item")
    episode = books.episodes.get(item.episode)
    if decision is Decision.SAME_PERSON:
        kept = _whom(books, item, same_as)
        going_on_in = _going_on_in(books, item, episode, kept)
        episode = _merge(books, publisher, episode, kept, by, now)
        if going_on_in is not None:
            episode = _go_on(books, episode, going_on_in, by, now)
    if episode.doubtful:
        episode = books.episodes.set_doubtful(episode, False, by=by, now=now, reason=decision.value)
    books.work_items.close(item.id, by=by, how=decision.value, now=now)
    publish_record(books, clinic, publisher, episode, now)
    return episode


def _whom(books: Books, item: WorkItem, same_as: PersonId | None) -> PersonId:
    """The known person: what was found to be a double since stands for the record that was kept."""
    named = [PersonId(other) for other in item.details.get("others", ())]
    if same_as is None and len(named) == 1:
        same_as = named[0]
    if same_as is None or same_as not in named:
        raise WhichPerson(field="same_as")
    kept = books.people.same_as(same_as) or same_as
    if kept != item.person and any(episode.doubtful for episode in books.episodes.of_person(kept)):
        raise OtherInDoubt(field="same_as")
    return kept


def _merge(
    books: Books, publisher: Publisher, episode: Episode, kept: PersonId, by: str, now: datetime
) -> Episode:
    double = episode.person
    if double == kept:
        return episode
    published = books.published.of_person(Reader.house(), double)
    # While the double still has its episodes: afterwards it shares nothing, and nobody would be told.
    publisher.publish(
        books, [_replaced(version, kept) for version in published if _is_patient(version)], now=now
    )
    for one in books.episodes.of_person(double):
        moved = books.episodes.repoint(one, kept, by=by, now=now, reason=Decision.SAME_PERSON.value)
        books.referrals.repoint(one.id, kept)
        episode = moved if one.id == episode.id else episode
    books.people.mark_same(double, kept)
    books.work_items.repoint(double, kept)
    publisher.publish(books, _repointed(published, double, kept), now=now)
    publisher.hand_over(books, double, kept, now=now)
    return episode


def _going_on_in(books: Books, item: WorkItem, episode: Episode, kept: PersonId) -> Episode | None:
    """The accepted referral's episode that this enrolment would have gone on in, had there been no doubt."""
    if not episode.doubtful or episode.referral is not None or books.letters.signed_of(episode.id):
        return None
    named = item.details.get("referral")
    if named is None:
        return waiting_episode(books.episodes.of_person(kept))
    return waiting_episode([books.episodes.get(books.referrals.get(ReferralId(named)).episode)])


def _is_patient(version: PublishedVersion) -> bool:
    return version.type == "Patient"


def _replaced(version: PublishedVersion, kept: PersonId) -> Rendered:
    content = read_published(version.content)
    return render(
        replaced_by(content, kept),
        sharing=version.sharing,
        person=version.person,
        episode=version.episode,
        owner=version.owner,
        meta_more=relayed_meta(content),
    )


def _repointed(published: Sequence[PublishedVersion], double: PersonId, kept: PersonId) -> list[Rendered]:
    """Everything else that was published of the double, about the known person. Letters' documents are handed over."""
    resources = []
    for version in published:
        if version.type in ("Patient", "Bundle"):
            continue
        content = read_published(version.content)
        resources.append(
            render(
                repoint(content, {f"Patient/{double}": f"Patient/{kept}"}),
                sharing=version.sharing,
                person=kept,
                episode=version.episode,
                owner=version.owner,
                meta_more=relayed_meta(content),
            )
        )
    return resources


def _go_on(books: Books, enrolled: Episode, referred: Episode, by: str, now: datetime) -> Episode:
    """The enrolment, of which nothing was published yet, becomes the course of the referred episode."""
    books.episodes.absorb(enrolled, referred)
    current = referred
    for event in _events(enrolled.state):
        reason = enrolled.end_reason if event in _ENDING_IN.values() else None
        current = books.episodes.move(
            current, move(current.state, event), event=event, by=by, now=now, reason=reason
        )
    said = replace(
        current,
        source=enrolled.source,
        enrolment=enrolled.enrolment,
        enrolled_on=enrolled.enrolled_on,
        started_on=enrolled.started_on,
        ended_on=enrolled.ended_on,
        end_reason=enrolled.end_reason,
        lessons=enrolled.lessons,
    )
    current = books.episodes.update(said, now=now)
    if enrolled.share_with_ehr != current.share_with_ehr:
        current = books.episodes.set_consent(current, enrolled.share_with_ehr, by=by, now=now)
    return current


_ENDING_IN = {
    EpisodeState.FINISHED: Event.FINISH,
    EpisodeState.STOPPED: Event.STOP,
    EpisodeState.NEVER_STARTED: Event.NEVER_START,
}


def _events(state: EpisodeState) -> list[Event]:
    """What brings an accepted episode to where the enrolment stands."""
    events = [Event.ENROL]
    if state in (EpisodeState.COMMENCED, EpisodeState.FINISHED, EpisodeState.STOPPED):
        events.append(Event.COMMENCE)
    return events + ([_ENDING_IN[state]] if state in ENDED else [])
