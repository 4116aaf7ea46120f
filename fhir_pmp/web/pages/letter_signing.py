"""Preview and signature: a clinician reads the PDF exactly as it will leave, and posts its hash to sign that."""

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from fhir_pmp.errors import NotAllowed
from fhir_pmp.identifiers import LetterId
from fhir_pmp.letters.facts import FIELD_NAMES
from fhir_pmp.letters.signing import preview_letter, sign_letter
from fhir_pmp.pathway.timepoints import today
from fhir_pmp.store.letters import Letter, LetterState, Preview
from fhir_pmp.web.access.auditing import note_persons
from fhir_pmp.web.access.callers import account
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.blueprint import decides, pages
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.frame import page
from fhir_pmp.web.pages.letters import form_of, pdf_answer, save_fields, show_letter


@pages.post("/letters/<letter_id>/preview")
@decides
def make_preview(letter_id: str) -> ResponseReturnValue:
    """Keeps the fields, if they were posted, and sets the letter as this clinician would sign it today."""
    wanted = LetterId(letter_id)
    if any(name in request.form for name in FIELD_NAMES):
        form, answer = save_fields(wanted)
        if form is not None:
            return answer, 400 if form.error("") is None else 409
    try:
        preview_letter(desk().store, desk().press, wanted, account(), desk().clock())
    except NotAllowed as refusal:
        return _refused(wanted, refusal)
    return redirect(url_for("pages.preview", letter_id=letter_id), 303)


@pages.get("/letters/<letter_id>/preview")
@may(Visitor.CLINICIAN, action="read")
def preview(letter_id: str) -> ResponseReturnValue:
    """The page that leads to the previewed PDF and signs it; without a preview that counts, back to the draft."""
    found, kept = _kept(LetterId(letter_id))
    if kept is None or found.state is not LetterState.DRAFT:
        return redirect(url_for("pages.letter", letter_id=letter_id), 303)
    return _show(found, kept, Form({}))


@pages.get("/letters/<letter_id>/preview.pdf")
@may(Visitor.CLINICIAN, action="read")
def preview_pdf(letter_id: str) -> Response:
    """The newest preview, for the clinician who made it."""
    found, kept = _kept(LetterId(letter_id))
    if kept is None or found.state is not LetterState.DRAFT:
        raise NotFound
    return pdf_answer(kept.pdf, f"preview-{found.kind.value}-letter-{found.number}")


@pages.post("/letters/<letter_id>/sign")
@decides
def sign(letter_id: str) -> ResponseReturnValue:
    """Signs exactly the PDF whose hash is posted, or says what changed and shows the draft as it is now."""
    wanted, given = LetterId(letter_id), request.form.get("preview_hash", "")
    try:
        signed = sign_letter(desk().store, desk().press, wanted, account(), given, desk().clock())
    except NotAllowed as refusal:
        return _refused(wanted, refusal)
    with desk().store.read() as books:
        note_persons([books.episodes.get(signed.episode).person])
    return redirect(url_for("pages.letter", letter_id=letter_id), 303)


def _refused(letter_id: LetterId, refusal: NotAllowed) -> ResponseReturnValue:
    with desk().store.read() as books:
        form = form_of(books, books.letters.get(letter_id))
    form.refuse(refusal)
    return show_letter(letter_id, form), 409


def _kept(letter_id: LetterId) -> tuple[Letter, Preview | None]:
    """The letter and its newest preview, if this clinician made it today."""
    with desk().store.read() as books:
        found = books.letters.get(letter_id)
        kept = books.letters.preview(letter_id)
        note_persons([books.episodes.get(found.episode).person])
    mine = kept is not None and kept.by == account().id
    current = mine and kept is not None and kept.on == today(desk().clock(), desk().clinic.zone)
    return found, kept if current else None


def _show(found: Letter, kept: Preview, form: Form) -> str:
    with desk().store.read() as books:
        episode = books.episodes.get(found.episode)
        person = books.people.get(episode.person)
    return page(
        "preview.html",
        title=f"Preview of the letter about {person.given} {person.family}",
        section="people",
        form=form,
        letter=found,
        person=person,
        episode=episode,
        preview=kept,
        signer=account(),
    )
