"""Reads from the books what one letter is written from, and pins it, so that a later change of it is seen."""

import json
from datetime import datetime
from hashlib import sha256

from fhir_pmp.letters.content import LetterContent
from fhir_pmp.letters.facts import Fields, LetterFacts, Signer
from fhir_pmp.letters.typesetting import letter_data
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.summary import summarise
from fhir_pmp.pathway.timepoints import today
from fhir_pmp.store import Books
from fhir_pmp.store.letters import Letter, LetterKind


def gather(books: Books, clinic: Clinic, letter: Letter, signer: Signer | None, now: datetime) -> LetterFacts:
    """The facts of this letter as they stand now. `now` is aware."""
    episode = books.episodes.get(letter.episode)
    person = books.people.get(episode.person)
    summary = None
    if letter.kind is LetterKind.DISCHARGE:
        recorded = books.responses.of_episode(episode.id, withdrawn=True)
        flags = books.flags.of_episodes([episode.id]).get(episode.id, [])
        summary = summarise(clinic, person, episode, [one.response for one in recorded], flags, now)
    replaced = None if letter.replaces is None else books.letters.get(letter.replaces)
    return LetterFacts(
        letter=letter.id,
        kind=letter.kind,
        person=person,
        episode=episode,
        referral=books.referrals.of_episodes([episode.id]).get(episode.id),
        summary=summary,
        fields=Fields(**letter.fields),
        signer=signer,
        dated_on=today(now, clinic.zone),
        made_at=now,
        replaces_on=None
        if replaced is None or replaced.signed_at is None
        else today(replaced.signed_at, clinic.zone),
    )


def content_hash(content: LetterContent) -> str:
    """Equal for letters that say the same: every word, the day and the signer included (sha256, hex)."""
    said = json.dumps(letter_data(content), ensure_ascii=False, sort_keys=True)
    return sha256(said.encode()).hexdigest()


def pin(facts: LetterFacts, content: LetterContent | None) -> str:
    """What a letter was written from, as JSON: the hash of its words and the versions of the responses behind them."""
    person, episode = facts.person, facts.episode
    pinned = {
        "content": None if content is None else content_hash(content),
        "responses": dict(facts.summary.made_from) if facts.summary is not None else {},
        "person": [person.id, person.given, person.family, person.birth_date.isoformat()],
        "identifiers": [[one.system, one.value] for one in person.identifiers],
        "episode": [
            episode.state.value,
            *(
                day.isoformat() if day else None
                for day in (episode.enrolled_on, episode.started_on, episode.ended_on)
            ),
            *(lesson.completed_on.isoformat() for lesson in episode.lessons),
        ],
    }
    return json.dumps(pinned, ensure_ascii=False)
