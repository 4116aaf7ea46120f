"""Letters that are due become drafts; receipts, which nobody signs, leave at once."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime

from fhir_pmp.errors import FhirPmpError, NotAllowed
from fhir_pmp.identifiers import EpisodeId, LetterId
from fhir_pmp.letters.content import LetterContent
from fhir_pmp.letters.documents import letter_resources
from fhir_pmp.letters.facts import FIELD_NAMES, FieldNotPrintable, Fields, LetterFacts
from fhir_pmp.letters.gathering import content_hash, gather, pin
from fhir_pmp.letters.press import Press
from fhir_pmp.letters.signing import NO_RECIPIENT, keep_signed
from fhir_pmp.letters.writing import propose_fields, write_letter
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.publishing.care import publish_care
from fhir_pmp.store import Books
from fhir_pmp.store.errors import ChangedMeanwhile, StoreBusy
from fhir_pmp.store.letters import Letter, LetterKind, LetterState
from fhir_pmp.store.letters_due import LetterDue
from fhir_pmp.store.store import Store

AUTOMATIC = "automatic"
"""Who `signed` a receipt."""

NOT_MADE = "letter-not-made"
"""The work item of a letter that is due and cannot be drafted or sent."""


class NothingToDecline(NotAllowed):
    """Only a referral that has been received and not yet accepted can be declined."""


class NothingToReplace(NotAllowed):
    """Only a signed letter that has not been replaced can be replaced, once, and not while a draft stands."""


class LetterOwed(NotAllowed):
    """Only the draft of a decline or of a replacement can be dropped; any other letter is owed to its practice."""


def draft_due_letters(store: Store, press: Press, now: datetime, *, limit: int = 50) -> list[LetterId]:
    """Drafts what is due, and sends receipts. One that cannot be made leaves the others, and a work item.

    Returns the letters that were drafted or sent. Safe to repeat and to run beside itself.
    """
    with store.read() as books:
        due = books.letters_due.list_all(limit=limit)
    made = [_make(store, press, one, now) for one in due]
    return [letter for letter in made if letter is not None]


def start_decline(store: Store, press: Press, episode: EpisodeId, now: datetime) -> Letter:
    """The draft of a decline letter: a new one, or the one that stands. The referral is declined when it is signed.

    Raises NotStored, NothingToDecline.
    """
    with store.begin() as books:
        if books.episodes.get(episode).state is not EpisodeState.REFERRED:
            raise NothingToDecline(field="episode")
        standing = _standing(books, episode, LetterKind.DECLINE)
        return standing or _add_draft(books, press, episode, LetterKind.DECLINE, None, now)


def start_replacement(store: Store, press: Press, letter: LetterId, now: datetime) -> Letter:
    """The draft of a letter that will replace a signed one, with the old one's fields. Raises NotStored, NothingToReplace."""
    with store.begin() as books:
        old = books.letters.get(letter)
        if old.state is not LetterState.SIGNED or old.kind is LetterKind.RECEIPT:
            raise NothingToReplace(field="letter")
        standing = _standing(books, old.episode, old.kind)
        if standing is not None and standing.replaces == old.id:
            return standing
        if standing is not None:
            raise NothingToReplace(field="letter")
        return _add_draft(books, press, old.episode, old.kind, old, now)


def may_discard(letter: Letter) -> bool:
    """Whether a draft may be dropped: a decline nobody has to send, a replacement nobody has to make."""
    return letter.state is LetterState.DRAFT and (
        letter.kind is LetterKind.DECLINE or letter.replaces is not None
    )


def discard_draft(store: Store, letter: LetterId) -> None:
    """Drops a draft that nobody is owed. Raises NotStored, LetterOwed, ChangedMeanwhile."""
    with store.begin_beside() as books:
        if not may_discard(books.letters.get(letter)):
            raise LetterOwed(field="letter")
        books.letters.discard(letter)


def edit_draft(
    store: Store, press: Press, letter: LetterId, fields: Mapping[str, str], now: datetime
) -> Letter:
    """The draft with these fields; those not named stay as they are. A preview of it no longer counts.

    Raises NotStored, ChangedMeanwhile (it is no draft), FieldNotPrintable (also for a field we do not know).
    """
    unknown = [name for name in fields if name not in FIELD_NAMES]
    if unknown:
        raise FieldNotPrintable("is no field of a letter", field="fields")
    with store.begin_beside() as books:
        kept = books.letters.get(letter)
        edited = Fields(**{**kept.fields, **fields})
        if kept.state is not LetterState.DRAFT:
            raise ChangedMeanwhile("it is not a draft", field="letter")
        facts = gather(books, press, replace(kept, fields=asdict(edited)), None, now)
        return _keep_draft(books, press, letter, facts, now)


def draft_content(books: Books, press: Press, letter: Letter, now: datetime) -> LetterContent:
    """What the draft says by the facts of this moment, unsigned: for the page that shows it."""
    return write_letter(press.clinic, press.wording, gather(books, press, letter, None, now))


def draft_fields(books: Books, press: Press, letter: Letter, now: datetime) -> Fields:
    """What the draft's fields hold by the facts of this moment: what a clinician wrote, else what is proposed."""
    return gather(books, press, letter, None, now).fields


def _make(store: Store, press: Press, due: LetterDue, now: datetime) -> LetterId | None:
    about = f"episode/{due.episode}"
    try:
        make = _send_receipt if due.kind is LetterKind.RECEIPT else _draft
        letter = make(store, press, due, now)
    except StoreBusy:
        raise
    except FhirPmpError as refusal:
        with store.begin_beside() as books:
            books.work_items.open(
                NOT_MADE,
                about=about,
                role="administrator",
                what="A letter is due and could not be made; it is tried again until it is.",
                now=now,
                episode=due.episode,
                details={"letter": due.kind.value, "refusal": type(refusal).__name__},
            )
        return None
    if letter is not None:
        with store.begin_beside() as books:
            books.work_items.close_about(NOT_MADE, about, by=AUTOMATIC, how="the letter was made", now=now)
    return letter


def _draft(store: Store, press: Press, due: LetterDue, now: datetime) -> LetterId | None:
    with store.begin() as books:
        if not books.letters_due.done(due.seq, now=now):
            return None
        if books.letters.of_episode(due.episode, due.kind):
            return None  # it was drafted before; what changed since is told by a work item
        return _add_draft(books, press, due.episode, due.kind, None, now).id


def _standing(books: Books, episode: EpisodeId, kind: LetterKind) -> Letter | None:
    drafts = (one for one in books.letters.of_episode(episode, kind) if one.state is LetterState.DRAFT)
    return next(drafts, None)


def _add_draft(
    books: Books, press: Press, episode: EpisodeId, kind: LetterKind, replaces: Letter | None, now: datetime
) -> Letter:
    number = books.letters.next_number(episode, kind)
    letter = books.letters.add_draft(
        press.clinic.letter_id(episode, kind.value, number),
        episode=episode,
        kind=kind,
        number=number,
        fields=asdict(Fields()) if replaces is None else replaces.fields,
        pinned="{}" if replaces is None else replaces.pinned,
        replaces=None if replaces is None else replaces.id,
        now=now,
    )
    facts = gather(books, press, letter, None, now)
    if replaces is None:
        facts = replace(facts, fields=propose_fields(press.clinic, press.wording, facts))
    letter = _keep_draft(books, press, letter.id, facts, now)
    if facts.episode.practice is None:
        books.work_items.open(
            NO_RECIPIENT,
            about=f"episode/{episode}",
            role="clinician",
            what="A letter is drafted and the episode names no practice it could go to.",
            now=now,
            person=facts.person.id,
            episode=episode,
        )
    return letter


def _keep_draft(books: Books, press: Press, letter: LetterId, facts: LetterFacts, now: datetime) -> Letter:
    return books.letters.edit(letter, fields=asdict(facts.fields), pinned=pin(press, facts, None), now=now)


def _send_receipt(store: Store, press: Press, due: LetterDue, now: datetime) -> LetterId | None:
    """Sets the receipt outside any transaction, and sends it if its facts are still the same then."""
    letter_id = press.clinic.letter_id(due.episode, due.kind.value, 1)
    with store.begin() as books:
        if books.letters.of_episode(due.episode, due.kind):
            letter = books.letters.get(letter_id)
        else:
            letter = _add_draft(books, press, due.episode, due.kind, None, now)
        if letter.state is not LetterState.DRAFT:
            books.letters_due.done(due.seq, now=now)
            return None
        facts = gather(books, press, letter, None, now)
    content = write_letter(press.clinic, press.wording, facts)
    pdf = press.typesetter.typeset(content, now)
    with store.begin() as books:
        if not books.letters_due.done(due.seq, now=now):
            return None
        again = gather(books, press, books.letters.get(letter_id), None, now)
        if content_hash(write_letter(press.clinic, press.wording, again)) != content_hash(content):
            books.letters_due.add(due.episode, due.kind, now=now)
            return None
        keep_signed(books, press, letter, pdf, pin(press, again, content), by=AUTOMATIC, now=now)
        resources = letter_resources(books, press.clinic, again, content, pdf, replaces=None, at=now)
        press.publisher.publish(books, resources, now=now)
        publish_care(books, press.clinic, press.publisher, [due.episode], now)
    return letter_id
