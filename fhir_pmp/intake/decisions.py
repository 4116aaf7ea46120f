"""What clinicians decide: accept a referral, end an episode, acknowledge a safety flag."""

from datetime import datetime

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.flag import build_flag
from fhir_pmp.identifiers import EpisodeId, FlagId
from fhir_pmp.intake.enrolments import end_episode
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import ENDINGS, By, Event, move
from fhir_pmp.pathway.facts import Episode, Flag
from fhir_pmp.publishing.care import publish_care
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books
from fhir_pmp.store.letters import LetterKind


class ActionMissing(NotUnderstood):
    """An acknowledgement says what was done. The clinician writes it."""


class NotAnEnding(NotUnderstood):
    """An episode ends by finish, stop or never_start. The clinician chooses one of them."""


def accept_referral(
    books: Books, clinic: Clinic, publisher: Publisher, episode: EpisodeId, *, by: str, now: datetime
) -> Episode:
    """The referred episode is accepted; the GP sees it on the Task. A decline that was begun is dropped.

    Raises NotStored, MoveNotListed.
    """
    referred = books.episodes.get(episode)
    after = move(referred.state, Event.ACCEPT, By.CLINICIAN)
    accepted = books.episodes.move(referred, after, event=Event.ACCEPT, by=by, now=now)
    for letter in books.letters.of_episode(episode, LetterKind.DECLINE):
        books.letters.discard(letter.id)  # nothing but a draft: a signed one would have declined the referral
    publish_care(books, clinic, publisher, [episode], now)
    return accepted


def end_by_clinician(
    books: Books,
    clinic: Clinic,
    publisher: Publisher,
    episode: EpisodeId,
    event: Event,
    *,
    reason: str | None,
    by: str,
    now: datetime,
) -> Episode:
    """A clinician ends an episode; its discharge letter falls due. Raises NotStored, MoveNotListed, NotAnEnding."""
    if event not in ENDINGS:
        raise NotAnEnding(field="event")
    ending = books.episodes.get(episode)
    ended = end_episode(
        books, ending, event, By.CLINICIAN, by, now, on=now.astimezone(clinic.zone).date(), reason=reason
    )
    publish_care(books, clinic, publisher, [episode], now)
    return ended


def acknowledge_flag(
    books: Books, clinic: Clinic, publisher: Publisher, flag: FlagId, *, by: str, action: str, now: datetime
) -> Flag:
    """The clinician looked and acted; only this makes a flag inactive. Raises NotStored, AlreadyAcknowledged."""
    if not action.strip():
        raise ActionMissing(field="action")
    acknowledged = books.flags.acknowledge(flag, by=by, action=action, now=now)
    if not books.episodes.get(acknowledged.episode).doubtful:
        publisher.publish(books, [build_flag(clinic, acknowledged)], now=now)
    return acknowledged
