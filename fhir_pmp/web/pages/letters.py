"""Serves a letter: content and four fields as a draft, a PDF once signed."""

from collections.abc import Mapping
from dataclasses import asdict

from flask import Response, make_response, redirect, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.errors import FhirPmpError, NotAllowed, NotUnderstood
from fhir_pmp.identifiers import LetterId
from fhir_pmp.letters.lifecycle.drafting import (
    discard_draft,
    draft_content,
    draft_fields,
    edit_draft,
    may_discard,
    start_replacement,
)
from fhir_pmp.letters.text.letter_content import LetterContent
from fhir_pmp.letters.text.letter_facts import LONGEST_FIELD
from fhir_pmp.pathway.facts import Episode, Person
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.letters import Letter, LetterState
from fhir_pmp.web.access.audit_trail import note_persons, note_resources
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.actor_names import ActorNames
from fhir_pmp.web.pages.blueprint import clinicians_may_change, pages, staff_may_read
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.page_layout import render_page

FIELD_HINTS = {
    "gp_actions": "Proposed from the results; change it as you see fit",
    "safety_actions": "What the team did. Acknowledgements of flags are printed automatically",
    "comment": f"At most {LONGEST_FIELD} characters in each field",
    "stop_reason": "As the person or the platform gave it",
}


def field_labels(letter: Letter) -> Mapping[str, str]:
    """Returns the labels of the fields of this kind of letter."""
    return letter.kind.definition.field_labels


@pages.get("/letters/<letter_id>")
@staff_may_read
def letter(letter_id: str) -> str:
    """Shows the letter: a draft with its fields, or a signed letter."""
    return render_letter(LetterId(letter_id), None)


@pages.post("/letters/<letter_id>/save")
@clinicians_may_change
def save(letter_id: str) -> ResponseReturnValue:
    """Saves the fields of a draft."""
    form, answer = save_fields(LetterId(letter_id))
    if form is not None:
        return answer, 400 if form.error("") is None else 409
    return redirect(url_for("pages.letter", letter_id=letter_id), 303)


@pages.post("/letters/<letter_id>/replace")
@clinicians_may_change
def replace(letter_id: str) -> ResponseReturnValue:
    """Drafts a letter that replaces a signed one. A NothingToReplace becomes an error page."""
    context = web_context()
    draft = start_replacement(context.store, context.letter_context, LetterId(letter_id), context.clock())
    with context.store.read() as uow:
        note_persons([uow.episodes.get(draft.episode).person])
    return redirect(url_for("pages.letter", letter_id=draft.id), 303)


@pages.post("/letters/<letter_id>/discard")
@clinicians_may_change
def discard(letter_id: str) -> ResponseReturnValue:
    """Discards the draft of a decline or of a replacement.

    A DraftNotDiscardable becomes an error page.
    """
    with web_context().store.read() as uow:
        episode = uow.episodes.get(uow.letters.get(LetterId(letter_id)).episode)
    discard_draft(web_context().store, LetterId(letter_id))
    note_persons([episode.person])
    return redirect(url_for("pages.person", person_id=episode.person), 303)


@pages.get("/letters/<letter_id>/letter.pdf")
@staff_may_read
def signed_pdf(letter_id: str) -> Response:
    """Returns the PDF of the signed letter, exactly as it was sent."""
    with web_context().store.read() as uow:
        found = uow.letters.get(LetterId(letter_id))
        pdf = uow.letters.pdf(found.id)
        episode = uow.episodes.get(found.episode)
    note_persons([episode.person])
    if found.document_reference_id is not None:
        note_resources([f"DocumentReference/{found.document_reference_id}"])
    return build_pdf_response(pdf, f"{found.kind.value}-letter-{found.number}")


def build_pdf_response(pdf: bytes, name: str) -> Response:
    """Returns a PDF to show in the browser; its file name names no person."""
    answer = make_response(pdf)
    answer.content_type = "application/pdf"
    answer.headers["Content-Disposition"] = f'inline; filename="{name}.pdf"'
    return answer


def save_fields(letter_id: LetterId) -> tuple[Form | None, str]:
    """Saves the posted fields.

    Returns (None, "") or, for faults, the form and the page that shows them.
    """
    with web_context().store.read() as uow:
        found = uow.letters.get(letter_id)
        note_persons([uow.episodes.get(found.episode).person])
    form = Form.from_request(field_labels(found), stored=found.fields)
    for name in form.labels:
        form.require_printable(name)
    if not form.faults:
        try:
            edit_draft(
                web_context().store,
                web_context().letter_context,
                letter_id,
                form.values,
                web_context().clock(),
            )
        except (NotAllowed, NotUnderstood) as refusal:
            form.add_refusal(refusal)
    return (form, render_letter(letter_id, form)) if form.faults else (None, "")


def build_form(uow: UnitOfWork, found: Letter) -> Form:
    """Returns the form with its current values.

    A field holds the clinician's text, else the text proposed from today's facts.
    """
    values = found.fields
    if found.state is LetterState.DRAFT:
        values = asdict(draft_fields(uow, web_context().letter_context, found, web_context().clock()))
    return Form(field_labels(found), {name: values.get(name, "") for name in field_labels(found)})


def render_letter(letter_id: LetterId, form: Form | None) -> str:
    """Returns a letter's page; the values and faults of `form` replace the stored ones."""
    with web_context().store.read() as uow:
        found = uow.letters.get(letter_id)
        episode = uow.episodes.get(found.episode)
        person = uow.people.get(episode.person)
        replaced_by = [one for one in uow.letters.of_episode(episode.id) if one.replaces == found.id]
        names = ActorNames.load(uow)
        content = _content(uow, found)
        shown_form = form or build_form(uow, found)
        flags = uow.flags.of_episodes([episode.id]).get(episode.id, [])
    note_persons([person.id])
    draft = found.state is LetterState.DRAFT
    return render_page(
        "letter.html",
        title=_title(found, person),
        section="people",
        letter=found,
        draft=draft,
        episode=episode,
        person=person,
        names=names,
        replaced_by=replaced_by[0] if replaced_by else None,
        content=content if not isinstance(content, FhirPmpError) else None,
        no_content=content if isinstance(content, FhirPmpError) else None,
        form=shown_form,
        hints=FIELD_HINTS,
        obstacles=_signing_obstacles(found, episode, any(flag.acknowledgement is None for flag in flags)),
        may_discard=may_discard(found),
    )


def _title(found: Letter, person: Person) -> str:
    return f"{found.kind.definition.title}, {person.given} {person.family}"


def _content(uow: UnitOfWork, found: Letter) -> LetterContent | FhirPmpError | None:
    """Returns a draft's content from the current facts, or why there is none; None for a signed letter."""
    if found.state is not LetterState.DRAFT:
        return None
    try:
        return draft_content(uow, web_context().letter_context, found, web_context().clock())
    except NotAllowed as refusal:
        return refusal


def _signing_obstacles(found: Letter, episode: Episode, unacknowledged: bool) -> list[str]:
    """Returns what prevents signing this draft, shown before a clinician tries."""
    obstacles = []
    if found.state is LetterState.DRAFT and episode.practice is None:
        obstacles.append("The episode names no practice, so the letter has no recipient.")
    if found.state is LetterState.DRAFT and found.kind.definition.states_outcomes and episode.doubtful:
        obstacles.append("Who this person is has not been decided. Decide that before you sign.")
    if found.state is LetterState.DRAFT and found.kind.definition.states_outcomes and unacknowledged:
        obstacles.append("A safety flag has not been acknowledged. Acknowledge it before you sign.")
    return obstacles
