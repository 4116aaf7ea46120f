"""Opens a work item when a fact that a signed letter states has changed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from fhir_pmp.identifiers import ResponseId
from fhir_pmp.letters.context import LetterContext
from fhir_pmp.letters.lifecycle.fact_gathering import gather_facts, pin_facts
from fhir_pmp.letters.lifecycle.work_kinds import SIGNED_LETTER_OUTDATED
from fhir_pmp.letters.text.letter_facts import LetterFacts
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Response
from fhir_pmp.pathway.programme.timepoints import AbsenceKind, absence_of_response
from fhir_pmp.pathway.summary.outcome_summary import Outcome, Summary
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.letters import Letter
from fhir_pmp.store.database import Store


@dataclass(frozen=True, slots=True)
class OutdatedLetter:
    """A signed letter with a fact that has changed since."""

    letter: Letter
    reasons: tuple[str, ...]
    contradiction_hash: str  # hash of the contradicting facts: the same ones are not asked about again


def review_signed_letters(
    store: Store, letter_context: LetterContext, now: datetime, *, limit: int = 100
) -> list[OutdatedLetter]:
    """Compares signed discharge letters with newer versions; opens a work item for each outdated one.

    Returns them. Safe to repeat: each version is compared once.
    """
    with store.read() as uow:
        up_to = uow.published.clock()
        reviewed = [
            _compare(uow, letter_context, one, now) for one in uow.letters.list_to_review(limit=limit)
        ]
    outdated = [one for one in reviewed if one.reasons]
    if reviewed:
        with store.begin_without_publishing() as uow:
            for one in outdated:
                _open_work_item(uow, one, now)
            for one in reviewed:
                uow.letters.mark_reviewed(one.letter.id, up_to)
    return outdated


def _compare(uow: UnitOfWork, letter_context: LetterContext, letter: Letter, now: datetime) -> OutdatedLetter:
    facts = gather_facts(uow, letter_context, letter, None, now)
    pinned, current = json.loads(letter.pinned), json.loads(pin_facts(letter_context, facts, None))
    assert facts.summary is not None and letter.signed_at is not None
    new = [one for one in _current_responses(uow, letter) if one.id not in pinned["responses"]]
    contradicting = list(_new_responses(letter_context.clinic, letter, facts, facts.summary, new))
    reasons = [
        *_changed_facts(pinned, current),
        *_changed_responses(pinned["responses"], facts.summary),
        *(reason for _, reason in contradicting),
    ]
    contradiction_hash = {
        "person": current["person"],
        "identifiers": [one for one in current["identifiers"] if one[0] in dict(pinned["identifiers"])],
        "episode": current["episode"],
        "stated": [current["responses"].get(response) for response in pinned["responses"]],
        "against": [response for response, _ in contradicting],
    }
    return OutdatedLetter(letter, tuple(reasons), sha256(json.dumps(contradiction_hash).encode()).hexdigest())


def _changed_facts(pinned: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[str]:
    if pinned["person"] != current["person"]:
        yield "the name, the birth date or the record of the person is another"
    # An added identifier contradicts no letter.
    if any(one not in current["identifiers"] for one in pinned["identifiers"]):
        yield "an identifier of the person is another"
    if pinned["episode"] != current["episode"]:
        yield "the dates, the lessons or the end of the programme are others"


def _changed_responses(pinned: Mapping[str, int], summary: Summary) -> Iterator[str]:
    now = {str(response): version for response, version in summary.made_from}
    if any(response not in now for response in pinned):
        yield "a response has been withdrawn"
    if any(response in now and now[response] != version for response, version in pinned.items()):
        yield "a response has been amended"


def _current_responses(uow: UnitOfWork, letter: Letter) -> list[Response]:
    return [one.response for one in uow.responses.of_episode(letter.episode)]


def _new_responses(
    clinic: ClinicalContext, letter: Letter, facts: LetterFacts, summary: Summary, new: list[Response]
) -> Iterator[tuple[ResponseId, str]]:
    """New responses that contradict the letter: one it called missing, or a later one that worsened."""
    assert letter.signed_at is not None
    flagged = {line.flag.response for line in summary.flags}
    worsened = {
        (one.instrument.id, timepoint.id)
        for timepoint in clinic.programme.later
        for one in summary.measures(timepoint.id, Outcome.WORSENED)
    }
    for response in new:
        timepoint = clinic.programme.timepoint(response.timepoint)
        absence_at_signing = absence_of_response(
            timepoint, facts.episode, response.instrument, letter.signed_at, clinic.zone
        )
        if absence_at_signing.kind is AbsenceKind.NOT_RECEIVED:
            yield response.id, "a response has arrived that the letter calls missing"
        elif response.id in flagged:
            yield response.id, "a later response raised a safety flag"
        elif (response.instrument, response.timepoint) in worsened:
            yield response.id, "a later response shows that a measure has worsened"


def _open_work_item(uow: UnitOfWork, one: OutdatedLetter, now: datetime) -> None:
    """Opens the work item unless the last one has the same contradiction."""
    about = f"letter/{one.letter.id}"
    last = uow.work_items.find_last(SIGNED_LETTER_OUTDATED, about)
    if last is not None and last.closed_at is not None and last.details.get("said") == one.contradiction_hash:
        return
    episode = uow.episodes.get(one.letter.episode)
    uow.work_items.open(
        SIGNED_LETTER_OUTDATED,
        about=about,
        role="clinician",
        what="A signed letter states what is no longer so; decide whether it is replaced.",
        now=now,
        person=episode.person,
        episode=episode.id,
        details={"reasons": list(dict.fromkeys(one.reasons)), "said": one.contradiction_hash},
    )
