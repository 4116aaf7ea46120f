"""Signed letters never change; when a fact that one states has changed, a clinician is told."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from fhir_pmp.identifiers import ResponseId
from fhir_pmp.letters.facts import LetterFacts
from fhir_pmp.letters.gathering import gather, pin
from fhir_pmp.letters.press import Press
from fhir_pmp.letters.signing import FACTS_CHANGED
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import Response
from fhir_pmp.pathway.summary import Outcome, Summary
from fhir_pmp.pathway.timepoints import AbsenceKind, absence_of_response
from fhir_pmp.store import Books
from fhir_pmp.store.letters import Letter
from fhir_pmp.store.store import Store


@dataclass(frozen=True, slots=True)
class Outdated:
    """A signed letter that states what is no longer so."""

    letter: Letter
    reasons: tuple[str, ...]
    said: str  # hash of what contradicts it: tells what a clinician has decided from what is new


def review_signed_letters(store: Store, press: Press, now: datetime, *, limit: int = 100) -> list[Outdated]:
    """Compares signed discharge letters with what was published since, and opens a work item for each outdated one.

    Returns them. Safe to repeat: each version is compared once.
    """
    with store.read() as books:
        up_to = books.published.clock()
        reviewed = [_compare(books, press, one, now) for one in books.letters.list_to_review(limit=limit)]
    outdated = [one for one in reviewed if one.reasons]
    if reviewed:
        with store.begin_beside() as books:
            for one in outdated:
                _tell(books, one, now)
            for one in reviewed:
                books.letters.reviewed(one.letter.id, up_to)
    return outdated


def _compare(books: Books, press: Press, letter: Letter, now: datetime) -> Outdated:
    facts = gather(books, press, letter, None, now)
    was, is_now = json.loads(letter.pinned), json.loads(pin(press, facts, None))
    assert facts.summary is not None and letter.signed_at is not None
    new = [one for one in _standing(books, letter) if one.id not in was["responses"]]
    against = list(_new_responses(press.clinic, letter, facts, facts.summary, new))
    reasons = [
        *_stated(was, is_now),
        *_responses(was["responses"], facts.summary),
        *(why for _, why in against),
    ]
    said = {
        "person": is_now["person"],
        "identifiers": [one for one in is_now["identifiers"] if one[0] in dict(was["identifiers"])],
        "episode": is_now["episode"],
        "stated": [is_now["responses"].get(response) for response in was["responses"]],
        "against": [response for response, _ in against],
    }
    return Outdated(letter, tuple(reasons), sha256(json.dumps(said).encode()).hexdigest())


def _stated(was: Mapping[str, Any], is_now: Mapping[str, Any]) -> Iterator[str]:
    if was["person"] != is_now["person"]:
        yield "the name, the birth date or the record of the person is another"
    # One more identifier contradicts nothing.
    if any(one not in is_now["identifiers"] for one in was["identifiers"]):
        yield "an identifier of the person is another"
    if was["episode"] != is_now["episode"]:
        yield "the dates, the lessons or the end of the programme are others"


def _responses(was: Mapping[str, int], summary: Summary) -> Iterator[str]:
    now = {str(response): version for response, version in summary.made_from}
    if any(response not in now for response in was):
        yield "a response has been withdrawn"
    if any(response in now and now[response] != version for response, version in was.items()):
        yield "a response has been amended"


def _standing(books: Books, letter: Letter) -> list[Response]:
    return [one.response for one in books.responses.of_episode(letter.episode)]


def _new_responses(
    clinic: Clinic, letter: Letter, facts: LetterFacts, summary: Summary, new: list[Response]
) -> Iterator[tuple[ResponseId, str]]:
    """A response that the letter called missing contradicts it; one that was not due then is news only if it is bad."""
    assert letter.signed_at is not None
    flagged = {line.flag.response for line in summary.flags}
    worsened = {
        (one.instrument.id, timepoint.id)
        for timepoint in clinic.programme.later
        for one in summary.measures(timepoint.id, Outcome.WORSENED)
    }
    for response in new:
        timepoint = clinic.programme.timepoint(response.timepoint)
        then = absence_of_response(
            timepoint, facts.episode, response.instrument, letter.signed_at, clinic.zone
        )
        if then.kind is AbsenceKind.NOT_RECEIVED:
            yield response.id, "a response has arrived that the letter calls missing"
        elif response.id in flagged:
            yield response.id, "a later response raised a safety flag"
        elif (response.instrument, response.timepoint) in worsened:
            yield response.id, "a later response shows that a measure has worsened"


def _tell(books: Books, one: Outdated, now: datetime) -> None:
    """Opens the work item, unless a clinician has closed one about exactly this."""
    about = f"letter/{one.letter.id}"
    last = books.work_items.find_last(FACTS_CHANGED, about)
    if last is not None and last.closed_at is not None and last.details.get("said") == one.said:
        return
    episode = books.episodes.get(one.letter.episode)
    books.work_items.open(
        FACTS_CHANGED,
        about=about,
        role="clinician",
        what="A signed letter states what is no longer so; decide whether it is replaced.",
        now=now,
        person=episode.person,
        episode=episode.id,
        details={"reasons": list(dict.fromkeys(one.reasons)), "said": one.said},
    )
