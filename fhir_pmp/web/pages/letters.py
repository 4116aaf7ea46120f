"""A letter: what it says now, its four fields while it is a draft, and its PDF once it is signed."""

from dataclasses import asdict

from flask import Response, make_response, redirect, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.errors import FhirPmpError, NotAllowed, NotUnderstood
from fhir_pmp.identifiers import LetterId
from fhir_pmp.letters.content import LetterContent
from fhir_pmp.letters.drafting import (
    discard_draft,
    draft_content,
    draft_fields,
    edit_draft,
    may_discard,
    start_replacement,
)
from fhir_pmp.letters.facts import LONGEST_FIELD
from fhir_pmp.pathway.facts import Episode, Person
from fhir_pmp.store import Books
from fhir_pmp.store.letters import Letter, LetterKind, LetterState
from fhir_pmp.web.access.auditing import note_persons, note_resources
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.accounts import Names
from fhir_pmp.web.pages.blueprint import decides, pages, reads
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.frame import page

DISCHARGE = {
    "gp_actions": "What we ask of the GP",
    "safety_actions": "Actions taken on safety answers",
    "comment": "Comment",
    "stop_reason": "Reason for stopping or not starting",
}
DECLINE = {
    "gp_actions": "What we ask of the GP",
    "comment": "Comment",
    "stop_reason": "Reason for declining",
}
HINTS = {
    "gp_actions": "Proposed from the results; change it as you see fit",
    "safety_actions": "What was done by the team. Acknowledgements are printed by themselves",
    "comment": f"At most {LONGEST_FIELD} characters in each field",
    "stop_reason": "As the person or the platform gave it",
}


def labels_of(letter: Letter) -> dict[str, str]:
    """The fields of this kind of letter, as the page calls them."""
    return DECLINE if letter.kind is LetterKind.DECLINE else DISCHARGE


@pages.get("/letters/<letter_id>")
@reads
def letter(letter_id: str) -> str:
    """The letter: a draft with its fields, or a signed one."""
    return show_letter(LetterId(letter_id), None)


@pages.post("/letters/<letter_id>/save")
@decides
def save(letter_id: str) -> ResponseReturnValue:
    """Keeps the fields of a draft."""
    form, answer = save_fields(LetterId(letter_id))
    if form is not None:
        return answer, 400 if form.error("") is None else 409
    return redirect(url_for("pages.letter", letter_id=letter_id), 303)


@pages.post("/letters/<letter_id>/replace")
@decides
def replace(letter_id: str) -> ResponseReturnValue:
    """A draft that will replace a signed letter. NothingToReplace is told as a page."""
    here = desk()
    draft = start_replacement(here.store, here.press, LetterId(letter_id), here.clock())
    with here.store.read() as books:
        note_persons([books.episodes.get(draft.episode).person])
    return redirect(url_for("pages.letter", letter_id=draft.id), 303)


@pages.post("/letters/<letter_id>/discard")
@decides
def discard(letter_id: str) -> ResponseReturnValue:
    """Drops the draft of a decline or of a replacement. LetterOwed is told as a page."""
    with desk().store.read() as books:
        episode = books.episodes.get(books.letters.get(LetterId(letter_id)).episode)
    discard_draft(desk().store, LetterId(letter_id))
    note_persons([episode.person])
    return redirect(url_for("pages.person", person_id=episode.person), 303)


@pages.get("/letters/<letter_id>/letter.pdf")
@reads
def signed_pdf(letter_id: str) -> Response:
    """The signed letter, exactly as it left."""
    with desk().store.read() as books:
        found = books.letters.get(LetterId(letter_id))
        pdf = books.letters.pdf(found.id)
        episode = books.episodes.get(found.episode)
    note_persons([episode.person])
    if found.document_reference_id is not None:
        note_resources([f"DocumentReference/{found.document_reference_id}"])
    return pdf_answer(pdf, f"{found.kind.value}-letter-{found.number}")


def pdf_answer(pdf: bytes, name: str) -> Response:
    """A PDF to look at; its file name says nothing of a person."""
    answer = make_response(pdf)
    answer.content_type = "application/pdf"
    answer.headers["Content-Disposition"] = f'inline; filename="{name}.pdf"'
    return answer


def save_fields(letter_id: LetterId) -> tuple[Form | None, str]:
    """Keeps the fields that were posted. What is wrong comes back as the form and the page that shows it."""
    with desk().store.read() as books:
        found = books.letters.get(letter_id)
        note_persons([books.episodes.get(found.episode).person])
    form = Form.posted(labels_of(found), kept=found.fields)
    for name in form.labels:
        form.must_print(name)
    if not form.faults:
        try:
            edit_draft(desk().store, desk().press, letter_id, form.values, desk().clock())
        except (NotAllowed, NotUnderstood) as refusal:
            form.refuse(refusal)
    return (form, show_letter(letter_id, form)) if form.faults else (None, "")


def form_of(books: Books, found: Letter) -> Form:
    """The form with what the fields hold now: what a clinician wrote, else what is proposed by today's facts."""
    held = found.fields
    if found.state is LetterState.DRAFT:
        held = asdict(draft_fields(books, desk().press, found, desk().clock()))
    return Form(labels_of(found), {name: held.get(name, "") for name in labels_of(found)})


def show_letter(letter_id: LetterId, form: Form | None) -> str:
    """The page of a letter; with a form whose values or faults are shown in place of what is kept."""
    with desk().store.read() as books:
        found = books.letters.get(letter_id)
        episode = books.episodes.get(found.episode)
        person = books.people.get(episode.person)
        replaced_by = [one for one in books.letters.of_episode(episode.id) if one.replaces == found.id]
        names = Names.of(books)
        content = _content(books, found)
        shown_form = form or form_of(books, found)
        flags = books.flags.of_episodes([episode.id]).get(episode.id, [])
    note_persons([person.id])
    draft = found.state is LetterState.DRAFT
    return page(
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
        hints=HINTS,
        hindrances=_hindrances(found, episode, any(flag.acknowledgement is None for flag in flags)),
        may_discard=may_discard(found),
    )


def _title(found: Letter, person: Person) -> str:
    kind = {LetterKind.RECEIPT: "Receipt", LetterKind.DECLINE: "Decline letter"}.get(
        found.kind, "Discharge letter"
    )
    return f"{kind}, {person.given} {person.family}"


def _content(books: Books, found: Letter) -> LetterContent | FhirPmpError | None:
    """What a draft says by the facts of this moment, or why it says nothing; a signed letter is its PDF."""
    if found.state is not LetterState.DRAFT:
        return None
    try:
        return draft_content(books, desk().press, found, desk().clock())
    except NotAllowed as refusal:
        return refusal


def _hindrances(found: Letter, episode: Episode, unacknowledged: bool) -> list[str]:
    """What would keep the draft from being signed, told before anybody tries."""
    told = []
    if found.state is LetterState.DRAFT and episode.practice is None:
        told.append("The episode names no practice: the letter has nobody to go to.")
    if found.state is LetterState.DRAFT and found.kind is LetterKind.DISCHARGE and episode.doubtful:
        told.append("Who this person is has not been decided; that is decided first.")
    if found.state is LetterState.DRAFT and found.kind is LetterKind.DISCHARGE and unacknowledged:
        told.append("A safety flag has not been acknowledged; it is seen to first.")
    return told
