"""Previews and signs letters: the signed PDF is exactly the previewed one."""

import hmac
import json
from dataclasses import asdict, replace
from datetime import datetime
from hashlib import sha256

from fhir_pmp.errors import NotAllowed
from fhir_pmp.identifiers import LetterId
from fhir_pmp.letters.context import LetterContext
from fhir_pmp.letters.lifecycle.fact_gathering import content_hash, gather_facts, pin_facts
from fhir_pmp.letters.lifecycle.work_kinds import LETTER_WITHOUT_RECIPIENT, SIGNED_LETTER_OUTDATED
from fhir_pmp.letters.rendering.fhir_document import (
    build_letter_resources,
    build_signer_resources,
    supersede_document,
)
from fhir_pmp.letters.text.letter_content import LetterContent
from fhir_pmp.letters.text.letter_facts import LetterFacts, Signer
from fhir_pmp.letters.text.letter_writer import write_letter
from fhir_pmp.pathway.episode_states import Actor, EpisodeEvent, move
from fhir_pmp.pathway.programme.timepoints import today
from fhir_pmp.pathway.summary.outcome_summary import Summary
from fhir_pmp.publishing.episode_resources import publish_episodes
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.access.accounts import Account, Role
from fhir_pmp.store.clinical.letters import Letter, LetterState, Preview
from fhir_pmp.store.database import Store


class MayNotSign(NotAllowed):
    """Only a clinician signs a letter."""


class NotADraft(NotAllowed):
    """The letter has been signed or replaced. It never changes again."""


class NoRecipient(NotAllowed):
    """The letter has nobody to go to: the episode names no practice. A practice is recorded first."""


class FlagNotAcknowledged(NotAllowed):
    """A safety flag of this person has not been acknowledged. It is seen to before the letter is signed."""


class PersonInDoubt(NotAllowed):
    """Who this person is has not been decided. A clinician decides that before a letter tells of their outcomes."""


class PreviewNotCurrent(NotAllowed):
    """That is not the newest preview of this letter by this clinician. The letter is previewed again."""


class PreviewExpired(NotAllowed):
    """The preview bears an earlier day. It expired at midnight; the letter is previewed again."""


class FactsChanged(NotAllowed):
    """A fact the letter states has changed since the preview. The new draft is read before it is signed."""


def preview_letter(
    store: Store, letter_context: LetterContext, letter: LetterId, account: Account, now: datetime
) -> Preview:
    """Typesets the letter as this clinician would sign it today.

    Signing needs the hash of this PDF. Raises NotStored, MayNotSign, NotADraft, NoRecipient, LetterNotTypeset.
    """
    signer = _signer(account)
    with store.read() as uow:
        facts = _gather_for_signing(uow, letter_context, uow.letters.get(letter), signer, now)
    content = write_letter(letter_context.clinic, letter_context.wording, facts)
    pdf = letter_context.typesetter.typeset(content, now)
    preview = Preview(
        hash=sha256(pdf).hexdigest(),
        pdf=pdf,
        by=account.id,
        on=facts.dated_on,
        pinned=pin_facts(letter_context, facts, content),
    )
    with store.begin_without_publishing() as uow:
        uow.letters.set_preview(letter, preview)
    return preview


def sign_letter(
    store: Store,
    letter_context: LetterContext,
    letter: LetterId,
    account: Account,
    preview_hash: str,
    now: datetime,
) -> Letter:
    """Signs the previewed PDF and publishes the FHIR document and its consequences in one transaction.

    Signing the same again gives the same letter. Raises NotStored, MayNotSign, NotADraft, NoRecipient, PersonInDoubt,
    FlagNotAcknowledged, PreviewNotCurrent, PreviewExpired, FactsChanged, DocumentIncomplete, MoveNotListed.
    """
    signer = _signer(account)
    with store.begin() as uow:
        found = uow.letters.get(letter)
        if (
            found.state is not LetterState.DRAFT
            and found.pdf_hash == preview_hash
            and found.signed_by == account.id
        ):
            return found
        facts = _gather_for_signing(uow, letter_context, found, signer, now)
        if facts.summary is not None:
            _check_outcomes_may_be_sent(facts, facts.summary)
        preview = _checked_preview(uow, letter_context, found, account, preview_hash, now)
        content = write_letter(letter_context.clinic, letter_context.wording, facts)
        if json.loads(preview.pinned)["content"] == content_hash(content):
            return _store_signature(uow, letter_context, found, facts, content, preview, now)
        # Committed, although signing is refused: the preview no longer counts, and the new facts are pinned.
        uow.letters.edit(
            letter, fields=asdict(facts.fields), pinned=pin_facts(letter_context, facts, None), now=now
        )
    raise FactsChanged(field="letter")


def store_signed_letter(
    uow: UnitOfWork,
    letter_context: LetterContext,
    letter: Letter,
    pdf: bytes,
    pinned: str,
    *,
    by: str,
    now: datetime,
) -> Letter:
    """Stores the letter as signed; the caller publishes it."""
    return uow.letters.sign(
        letter.id,
        pdf=pdf,
        pdf_hash=sha256(pdf).hexdigest(),
        pinned=pinned,
        document_reference_id=letter_context.clinic.ids.document_reference_id(letter.id),
        bundle_id=letter_context.clinic.ids.document_bundle_id(letter.id),
        by=by,
        now=now,
    )


def _signer(account: Account) -> Signer:
    if account.role is not Role.CLINICIAN or account.disabled:
        raise MayNotSign(field="account")
    return Signer(account.id, account.name, account.registration)


def _gather_for_signing(
    uow: UnitOfWork, letter_context: LetterContext, letter: Letter, signer: Signer, now: datetime
) -> LetterFacts:
    if letter.state is not LetterState.DRAFT:
        raise NotADraft(field="letter")
    facts = gather_facts(uow, letter_context, letter, signer, now)
    if facts.episode.practice is None:
        raise NoRecipient(field="practice")
    return facts


def _check_outcomes_may_be_sent(facts: LetterFacts, summary: Summary) -> None:
    if facts.episode.doubtful:
        raise PersonInDoubt(field="episode")
    if summary.unacknowledged:
        raise FlagNotAcknowledged(field="flags")


def _checked_preview(
    uow: UnitOfWork,
    letter_context: LetterContext,
    letter: Letter,
    account: Account,
    preview_hash: str,
    now: datetime,
) -> Preview:
    preview = uow.letters.preview(letter.id)
    if preview is None or preview.by != account.id or not hmac.compare_digest(preview.hash, preview_hash):
        raise PreviewNotCurrent(field="preview")
    if preview.on != today(now, letter_context.clinic.zone):
        raise PreviewExpired(field="preview")
    return preview


def _decline(uow: UnitOfWork, letter: Letter, facts: LetterFacts, by: str, now: datetime) -> None:
    """Declines the referral. A replacement letter only changes the reason."""
    reason = facts.fields.stop_reason.strip() or None
    if letter.replaces is not None:
        uow.episodes.update(replace(facts.episode, end_reason=reason), now=now)
        return
    declined = move(facts.episode.state, EpisodeEvent.DECLINE, Actor.CLINICIAN)
    ended = uow.episodes.update(replace(facts.episode, ended_on=facts.dated_on, end_reason=reason), now=now)
    uow.episodes.move(ended, declined, event=EpisodeEvent.DECLINE, by=by, now=now, reason=reason)


def _store_signature(
    uow: UnitOfWork,
    letter_context: LetterContext,
    letter: Letter,
    facts: LetterFacts,
    content: LetterContent,
    preview: Preview,
    now: datetime,
) -> Letter:
    clinic, publisher = letter_context.clinic, letter_context.publisher
    if letter.kind.definition.declines_referral:
        _decline(uow, letter, facts, preview.by, now)
    uow.letters.edit(letter.id, fields=asdict(facts.fields), now=now)  # as the PDF states them
    signed = store_signed_letter(
        uow, letter_context, letter, preview.pdf, preview.pinned, by=preview.by, now=now
    )
    resources = [] if facts.signer is None else build_signer_resources(clinic, facts.signer)
    if letter.replaces is not None:
        replaced = uow.letters.mark_replaced(letter.replaces)
        if replaced.document_reference_id is not None:
            resources += supersede_document(uow, replaced.document_reference_id)
    publisher.publish(uow, resources, now=now)
    documents = build_letter_resources(
        uow, clinic, facts, content, preview.pdf, replaces=letter.replaces, at=now
    )
    publisher.publish(uow, documents, now=now)
    publish_episodes(uow, letter_context.publishing, [letter.episode], now)
    for kind, about in (
        (SIGNED_LETTER_OUTDATED, f"letter/{letter.replaces}"),
        (LETTER_WITHOUT_RECIPIENT, f"episode/{letter.episode}"),
    ):
        uow.work_items.close_about(kind, about, by=preview.by, how=f"letter/{letter.id} was signed", now=now)
    return signed
