"""Reads the facts that a letter states and pins them.

Pinned facts are stored with the letter, so that later changes are detected.
"""

import json
from dataclasses import asdict, replace
from datetime import datetime
from hashlib import sha256

from fhir_pmp.letters.context import LetterContext
from fhir_pmp.letters.rendering.typesetting import letter_data
from fhir_pmp.letters.text.letter_content import LetterContent
from fhir_pmp.letters.text.letter_facts import LetterFacts, LetterFields, Signer
from fhir_pmp.letters.text.letter_writer import propose_fields
from fhir_pmp.pathway.programme.timepoints import today
from fhir_pmp.pathway.summary.outcome_summary import summarise
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.letters import Letter


def gather_facts(
    uow: UnitOfWork, letter_context: LetterContext, letter: Letter, signer: Signer | None, now: datetime
) -> LetterFacts:
    """Reads the current facts of a letter. `now` is aware.

    A field with an unedited proposal gets the current proposal: "no action is needed" must not outlive the answers
    that it was proposed from. A clinician's text stays.
    """
    clinic = letter_context.clinic
    episode = uow.episodes.get(letter.episode)
    person = uow.people.get(episode.person)
    summary = None
    if letter.kind.definition.states_outcomes:
        recorded = uow.responses.of_episode(episode.id, withdrawn=True)
        flags = uow.flags.of_episodes([episode.id]).get(episode.id, [])
        summary = summarise(clinic, person, episode, [one.response for one in recorded], flags, now)
    replaced = None if letter.replaces is None else uow.letters.get(letter.replaces)
    facts = LetterFacts(
        letter=letter.id,
        kind=letter.kind,
        person=person,
        episode=episode,
        referral=uow.referrals.of_episodes([episode.id]).get(episode.id),
        summary=summary,
        fields=LetterFields(**letter.fields),
        signer=signer,
        dated_on=today(now, clinic.zone),
        made_at=now,
        replaces_on=None
        if replaced is None or replaced.signed_at is None
        else today(replaced.signed_at, clinic.zone),
    )
    pinned_proposal, proposed = (
        json.loads(letter.pinned).get("proposed", {}),
        _proposed_fields(letter_context, facts),
    )
    fields = {
        name: proposed[name] if text == pinned_proposal.get(name) else text
        for name, text in letter.fields.items()
    }
    return replace(facts, fields=LetterFields(**fields))


def content_hash(content: LetterContent) -> str:
    """The SHA-256 (hex) of all text of a letter, its day and its signer included."""
    canonical = json.dumps(letter_data(content), ensure_ascii=False, sort_keys=True)
    return sha256(canonical.encode()).hexdigest()


def pin_facts(letter_context: LetterContext, facts: LetterFacts, content: LetterContent | None) -> str:
    """Returns the facts of a letter as JSON: content hash, response versions and proposed fields."""
    person, episode = facts.person, facts.episode
    pinned = {
        "proposed": _proposed_fields(letter_context, facts),
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


def _proposed_fields(letter_context: LetterContext, facts: LetterFacts) -> dict[str, str]:
    return asdict(propose_fields(letter_context.clinic, letter_context.wording, facts))
