"""A clinician sees a letter exactly as it will leave, and signs exactly that, or is told what changed."""

import hmac
import json
from dataclasses import asdict, replace
from datetime import datetime
from hashlib import sha256

from fhir_pmp.errors import NotAllowed
from fhir_pmp.identifiers import LetterId
from fhir_pmp.letters.content import LetterContent
from fhir_pmp.letters.documents import letter_resources, signer_resources, superseded
from fhir_pmp.letters.facts import LetterFacts, Signer
from fhir_pmp.letters.gathering import content_hash, gather, pin
from fhir_pmp.letters.press import Press
from fhir_pmp.letters.writing import write_letter
from fhir_pmp.pathway.episodes import By, Event, move
from fhir_pmp.pathway.summary import Summary
from fhir_pmp.pathway.timepoints import today
from fhir_pmp.publishing.care import publish_care
from fhir_pmp.store import Books
from fhir_pmp.store.accounts import Account, Role
from fhir_pmp.store.letters import Letter, LetterKind, LetterState, Preview
from fhir_pmp.store.store import Store

FACTS_CHANGED = "signed-letter-outdated"
"""The work item of a signed letter that states what is no longer so."""

NO_RECIPIENT = "letter-without-recipient"
"""The work item of a draft whose episode names no practice."""


class MayNotSign(NotAllowed):
    """Only a clinician signs a letter."""


class NotADraft(NotAllowed):
    """The letter has been signed or replaced. It never changes again."""


class NoRecipient(NotAllowed):
    """The letter has nobody to go to: the episode names no practice. A practice is recorded first."""


class FlagNotSeenTo(NotAllowed):
    """A safety flag of this person has not been acknowledged. It is seen to before the letter is signed."""


class PersonInDoubt(NotAllowed):
    """Who this person is has not been decided. A clinician decides that before a letter tells of their outcomes."""


class PreviewNotCurrent(NotAllowed):
    """That is not the newest preview of this letter by this clinician. The letter is previewed again."""


class PreviewExpired(NotAllowed):
    """The preview bears an earlier day. It expired at midnight; the letter is previewed again."""


class FactsChanged(NotAllowed):
    """A fact the letter states has changed since the preview. The new draft is read before it is signed."""


def preview_letter(store: Store, press: Press, letter: LetterId, account: Account, now: datetime) -> Preview:
    """The letter as it would leave if this clinician signed it today; its hash is what signing posts.

    Raises NotStored, MayNotSign, NotADraft, NoRecipient, LetterNotSet.
    """
    signer = _signer(account)
    with store.read() as books:
        facts = _facts(books, press, books.letters.get(letter), signer, now)
    content = write_letter(press.clinic, press.wording, facts)
    pdf = press.typesetter.typeset(content, now)
    preview = Preview(
        hash=sha256(pdf).hexdigest(),
        pdf=pdf,
        by=account.id,
        on=facts.dated_on,
        pinned=pin(press, facts, content),
    )
    with store.begin_beside() as books:
        books.letters.keep_preview(letter, preview)
    return preview


def sign_letter(
    store: Store, press: Press, letter: LetterId, account: Account, preview_hash: str, now: datetime
) -> Letter:
    """The letter, signed: exactly the previewed PDF, its FHIR document, and what follows from it, in one transaction.

    Signing the same again gives the same letter. Raises NotStored, MayNotSign, NotADraft, NoRecipient, PersonInDoubt,
    FlagNotSeenTo, PreviewNotCurrent, PreviewExpired, FactsChanged, DocumentIncomplete, MoveNotListed.
    """
    signer = _signer(account)
    with store.begin() as books:
        found = books.letters.get(letter)
        if (
            found.state is not LetterState.DRAFT
            and found.pdf_hash == preview_hash
            and found.signed_by == account.id
        ):
            return found
        facts = _facts(books, press, found, signer, now)
        if facts.summary is not None:
            _check_discharge(facts, facts.summary)
        preview = _checked_preview(books, press, found, account, preview_hash, now)
        content = write_letter(press.clinic, press.wording, facts)
        if json.loads(preview.pinned)["content"] == content_hash(content):
            return _sign(books, press, found, facts, content, preview, now)
        # Committed, although signing is refused: the preview no longer counts, and the new facts are pinned.
        books.letters.edit(letter, fields=asdict(facts.fields), pinned=pin(press, facts, None), now=now)
    raise FactsChanged(field="letter")


def keep_signed(
    books: Books, press: Press, letter: Letter, pdf: bytes, pinned: str, *, by: str, now: datetime
) -> Letter:
    """The letter in the books as signed; publishing it is the caller's next step."""
    return books.letters.sign(
        letter.id,
        pdf=pdf,
        pdf_hash=sha256(pdf).hexdigest(),
        pinned=pinned,
        document_reference_id=press.clinic.document_reference_id(letter.id),
        bundle_id=press.clinic.document_bundle_id(letter.id),
        by=by,
        now=now,
    )


def _signer(account: Account) -> Signer:
    if account.role is not Role.CLINICIAN or account.disabled:
        raise MayNotSign(field="account")
    return Signer(account.id, account.name, account.registration)


def _facts(books: Books, press: Press, letter: Letter, signer: Signer, now: datetime) -> LetterFacts:
    if letter.state is not LetterState.DRAFT:
        raise NotADraft(field="letter")
    facts = gather(books, press, letter, signer, now)
    if facts.episode.practice is None:
        raise NoRecipient(field="practice")
    return facts


def _check_discharge(facts: LetterFacts, summary: Summary) -> None:
    if facts.episode.doubtful:
        raise PersonInDoubt(field="episode")
    if summary.unacknowledged:
        raise FlagNotSeenTo(field="flags")


def _checked_preview(
    books: Books, press: Press, letter: Letter, account: Account, preview_hash: str, now: datetime
) -> Preview:
    preview = books.letters.preview(letter.id)
    if preview is None or preview.by != account.id or not hmac.compare_digest(preview.hash, preview_hash):
        raise PreviewNotCurrent(field="preview")
    if preview.on != today(now, press.clinic.zone):
        raise PreviewExpired(field="preview")
    return preview


def _decline(books: Books, letter: Letter, facts: LetterFacts, by: str, now: datetime) -> None:
    """The decline takes effect. A letter that replaces the first one states why anew, and moves nothing again."""
    reason = facts.fields.stop_reason.strip() or None
    if letter.replaces is not None:
        books.episodes.update(replace(facts.episode, end_reason=reason), now=now)
        return
    declined = move(facts.episode.state, Event.DECLINE, By.CLINICIAN)
    ended = books.episodes.update(replace(facts.episode, ended_on=facts.dated_on, end_reason=reason), now=now)
    books.episodes.move(ended, declined, event=Event.DECLINE, by=by, now=now, reason=reason)


def _sign(
    books: Books,
    press: Press,
    letter: Letter,
    facts: LetterFacts,
    content: LetterContent,
    preview: Preview,
    now: datetime,
) -> Letter:
    clinic, publisher = press.clinic, press.publisher
    if letter.kind is LetterKind.DECLINE:
        _decline(books, letter, facts, preview.by, now)
    books.letters.edit(letter.id, fields=asdict(facts.fields), now=now)  # as the PDF says them
    signed = keep_signed(books, press, letter, preview.pdf, preview.pinned, by=preview.by, now=now)
    resources = [] if facts.signer is None else signer_resources(clinic, facts.signer)
    if letter.replaces is not None:
        replaced = books.letters.mark_replaced(letter.replaces)
        if replaced.document_reference_id is not None:
            resources += superseded(books, replaced.document_reference_id)
    publisher.publish(books, resources, now=now)
    documents = letter_resources(books, clinic, facts, content, preview.pdf, replaces=letter.replaces, at=now)
    publisher.publish(books, documents, now=now)
    publish_care(books, clinic, publisher, [letter.episode], now)
    for kind, about in (
        (FACTS_CHANGED, f"letter/{letter.replaces}"),
        (NO_RECIPIENT, f"episode/{letter.episode}"),
    ):
        books.work_items.close_about(
            kind, about, by=preview.by, how=f"letter/{letter.id} was signed", now=now
        )
    return signed
