"""Drafts the letters that are due and sends receipts, which need no signature."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime

from fhir_pmp.errors import FhirPmpError, NotAllowed
from fhir_pmp.identifiers import EpisodeId, LetterId
from fhir_pmp.letters.context import LetterContext
from fhir_pmp.letters.lifecycle.fact_gathering import content_hash, gather_facts, pin_facts
from fhir_pmp.letters.lifecycle.signing import store_signed_letter
from fhir_pmp.letters.lifecycle.work_kinds import LETTER_NOT_MADE, LETTER_WITHOUT_RECIPIENT
from fhir_pmp.letters.rendering.fhir_document import build_letter_resources
from fhir_pmp.letters.text.letter_content import LetterContent
from fhir_pmp.letters.text.letter_facts import FIELD_NAMES, FieldNotPrintable, LetterFacts, LetterFields
from fhir_pmp.letters.text.letter_writer import propose_fields, write_letter
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.publishing.episode_resources import publish_episodes
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.letters import Letter, LetterState
from fhir_pmp.store.clinical.letters_due import LetterDue
from fhir_pmp.store.database import Store
from fhir_pmp.store.errors import ChangedMeanwhile, StoreBusy

AUTOMATIC = "automatic"
"""The signer that is recorded for a receipt, which no clinician signs."""


class NothingToDecline(NotAllowed):
    """Only a referral that has been received and not yet accepted can be declined."""


class NothingToReplace(NotAllowed):
    """Only a signed letter that has not been replaced can be replaced, once, and not while a draft stands."""


class DraftNotDiscardable(NotAllowed):
    """Only the draft of a decline or of a replacement can be dropped; any other letter is owed to its practice."""


def draft_due_letters(
    store: Store, letter_context: LetterContext, now: datetime, *, limit: int = 50
) -> list[LetterId]:
    """Drafts due letters and sends receipts.

    A letter that fails opens a work item and stops no other. Returns the letters that were drafted or sent. Safe to
    repeat and to run concurrently.
    """
    with store.read() as uow:
        due = uow.letters_due.list_all(limit=limit)
    results = [_make_letter(store, letter_context, one, now) for one in due]
    return [letter for letter in results if letter is not None]


def start_decline(store: Store, letter_context: LetterContext, episode: EpisodeId, now: datetime) -> Letter:
    """Returns the draft decline letter, new or existing. Signing it declines the referral.

    Raises NotStored, NothingToDecline.
    """
    with store.begin() as uow:
        if uow.episodes.get(episode).state is not EpisodeState.REFERRED:
            raise NothingToDecline(field="episode")
        existing_draft = _find_draft(uow, episode, LetterKind.DECLINE)
        return existing_draft or _add_draft(uow, letter_context, episode, LetterKind.DECLINE, None, now)


def start_replacement(store: Store, letter_context: LetterContext, letter: LetterId, now: datetime) -> Letter:
    """Drafts a replacement of a signed letter with the same fields. Raises NotStored, NothingToReplace."""
    with store.begin() as uow:
        old = uow.letters.get(letter)
        if old.state is not LetterState.SIGNED or not old.kind.definition.signed_by_clinician:
            raise NothingToReplace(field="letter")
        existing_draft = _find_draft(uow, old.episode, old.kind)
        if existing_draft is not None and existing_draft.replaces == old.id:
            return existing_draft
        if existing_draft is not None:
            raise NothingToReplace(field="letter")
        return _add_draft(uow, letter_context, old.episode, old.kind, old, now)


def may_discard(letter: Letter) -> bool:
    """Whether a draft may be discarded: only a decline or a replacement.

    No practice waits for those.
    """
    return letter.state is LetterState.DRAFT and (
        letter.kind.definition.may_be_discarded or letter.replaces is not None
    )


def discard_draft(store: Store, letter: LetterId) -> None:
    """Discards a draft. Raises NotStored, DraftNotDiscardable, ChangedMeanwhile."""
    with store.begin_without_publishing() as uow:
        if not may_discard(uow.letters.get(letter)):
            raise DraftNotDiscardable(field="letter")
        uow.letters.discard(letter)


def edit_draft(
    store: Store, letter_context: LetterContext, letter: LetterId, fields: Mapping[str, str], now: datetime
) -> Letter:
    """Changes the named fields of a draft and invalidates its preview.

    Raises NotStored, ChangedMeanwhile (it is no draft), FieldNotPrintable (also for a field we do not know).
    """
    unknown = [name for name in fields if name not in FIELD_NAMES]
    if unknown:
        raise FieldNotPrintable("is no field of a letter", field="fields")
    with store.begin_without_publishing() as uow:
        stored = uow.letters.get(letter)
        edited = LetterFields(**{**stored.fields, **fields})
        if stored.state is not LetterState.DRAFT:
            raise ChangedMeanwhile("it is not a draft", field="letter")
        facts = gather_facts(uow, letter_context, replace(stored, fields=asdict(edited)), None, now)
        return _store_draft(uow, letter_context, letter, facts, now)


def draft_content(
    uow: UnitOfWork, letter_context: LetterContext, letter: Letter, now: datetime
) -> LetterContent:
    """The unsigned content of a draft by the current facts, for its page."""
    return write_letter(
        letter_context.clinic, letter_context.wording, gather_facts(uow, letter_context, letter, None, now)
    )


def draft_fields(
    uow: UnitOfWork, letter_context: LetterContext, letter: Letter, now: datetime
) -> LetterFields:
    """The fields of a draft: the clinician's text, else the text proposed from current facts."""
    return gather_facts(uow, letter_context, letter, None, now).fields


def _make_letter(
    store: Store, letter_context: LetterContext, due: LetterDue, now: datetime
) -> LetterId | None:
    about = f"episode/{due.episode}"
    try:
        make = _draft_letter if due.kind.definition.signed_by_clinician else _send_unsigned
        letter = make(store, letter_context, due, now)
    except StoreBusy:
        raise
    except FhirPmpError as refusal:
        with store.begin_without_publishing() as uow:
            uow.work_items.open(
                LETTER_NOT_MADE,
                about=about,
                role="administrator",
                what="A letter is due and could not be made; it is tried again until it is.",
                now=now,
                episode=due.episode,
                details={"letter": due.kind.value, "refusal": type(refusal).__name__},
            )
        return None
    if letter is not None:
        with store.begin_without_publishing() as uow:
            uow.work_items.close_about(
                LETTER_NOT_MADE, about, by=AUTOMATIC, how="the letter was made", now=now
            )
    return letter


def _draft_letter(
    store: Store, letter_context: LetterContext, due: LetterDue, now: datetime
) -> LetterId | None:
    with store.begin() as uow:
        if not uow.letters_due.mark_done(due.seq, now=now):
            return None
        if uow.letters.of_episode(due.episode, due.kind):
            return None  # already drafted; a later change of facts opens a work item
        return _add_draft(uow, letter_context, due.episode, due.kind, None, now).id


def _find_draft(uow: UnitOfWork, episode: EpisodeId, kind: LetterKind) -> Letter | None:
    drafts = (one for one in uow.letters.of_episode(episode, kind) if one.state is LetterState.DRAFT)
    return next(drafts, None)


def _add_draft(
    uow: UnitOfWork,
    letter_context: LetterContext,
    episode: EpisodeId,
    kind: LetterKind,
    replaces: Letter | None,
    now: datetime,
) -> Letter:
    number = uow.letters.next_number(episode, kind)
    letter = uow.letters.add_draft(
        letter_context.clinic.ids.letter_id(episode, kind.value, number),
        episode=episode,
        kind=kind,
        number=number,
        fields=asdict(LetterFields()) if replaces is None else replaces.fields,
        pinned="{}" if replaces is None else replaces.pinned,
        replaces=None if replaces is None else replaces.id,
        now=now,
    )
    facts = gather_facts(uow, letter_context, letter, None, now)
    if replaces is None:
        facts = replace(facts, fields=propose_fields(letter_context.clinic, letter_context.wording, facts))
    letter = _store_draft(uow, letter_context, letter.id, facts, now)
    if facts.episode.practice is None:
        uow.work_items.open(
            LETTER_WITHOUT_RECIPIENT,
            about=f"episode/{episode}",
            role="clinician",
            what="A letter is drafted and the episode names no practice it could go to.",
            now=now,
            person=facts.person.id,
            episode=episode,
        )
    return letter


def _store_draft(
    uow: UnitOfWork, letter_context: LetterContext, letter: LetterId, facts: LetterFacts, now: datetime
) -> Letter:
    return uow.letters.edit(
        letter, fields=asdict(facts.fields), pinned=pin_facts(letter_context, facts, None), now=now
    )


def _send_unsigned(
    store: Store, letter_context: LetterContext, due: LetterDue, now: datetime
) -> LetterId | None:
    """Typesets an unsigned letter outside any transaction and sends it if its facts are unchanged."""
    letter_id = letter_context.clinic.ids.letter_id(due.episode, due.kind.value, 1)
    with store.begin() as uow:
        if uow.letters.of_episode(due.episode, due.kind):
            letter = uow.letters.get(letter_id)
        else:
            letter = _add_draft(uow, letter_context, due.episode, due.kind, None, now)
        if letter.state is not LetterState.DRAFT:
            uow.letters_due.mark_done(due.seq, now=now)
            return None
        facts = gather_facts(uow, letter_context, letter, None, now)
    content = write_letter(letter_context.clinic, letter_context.wording, facts)
    pdf = letter_context.typesetter.typeset(content, now)
    with store.begin() as uow:
        if not uow.letters_due.mark_done(due.seq, now=now):
            return None
        current_facts = gather_facts(uow, letter_context, uow.letters.get(letter_id), None, now)
        if content_hash(
            write_letter(letter_context.clinic, letter_context.wording, current_facts)
        ) != content_hash(content):
            uow.letters_due.add(due.episode, due.kind, now=now)
            return None
        store_signed_letter(
            uow,
            letter_context,
            letter,
            pdf,
            pin_facts(letter_context, current_facts, content),
            by=AUTOMATIC,
            now=now,
        )
        resources = build_letter_resources(
            uow, letter_context.clinic, current_facts, content, pdf, replaces=None, at=now
        )
        letter_context.publisher.publish(uow, resources, now=now)
        publish_episodes(uow, letter_context.publishing, [due.episode], now)
    return letter_id
