"""Serves preview and signature of a letter.

A clinician reads the PDF exactly as it will be sent, and signs it by posting its hash.
"""

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from fhir_pmp.errors import NotAllowed
from fhir_pmp.identifiers import LetterId
from fhir_pmp.letters.lifecycle.signing import preview_letter, sign_letter
from fhir_pmp.letters.text.letter_facts import FIELD_NAMES
from fhir_pmp.pathway.programme.timepoints import today
from fhir_pmp.store.clinical.letters import Letter, LetterState, Preview
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.access.callers import account
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.blueprint import clinicians_may_change, pages
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.letters import build_form, build_pdf_response, render_letter, save_fields
from fhir_pmp.web.pages.page_layout import render_page


@pages.post("/letters/<letter_id>/preview")
@clinicians_may_change
def make_preview(letter_id: str) -> ResponseReturnValue:
    """Saves the posted fields, and typesets the letter as this clinician would sign it today."""
    wanted = LetterId(letter_id)
    if any(name in request.form for name in FIELD_NAMES):
        form, answer = save_fields(wanted)
        if form is not None:
            return answer, 400 if form.error("") is None else 409
    try:
        preview_letter(
            web_context().store, web_context().letter_context, wanted, account(), web_context().clock()
        )
    except NotAllowed as refusal:
        return _refused(wanted, refusal)
    return redirect(url_for("pages.preview", letter_id=letter_id), 303)


@pages.get("/letters/<letter_id>/preview")
@allow(CallerKind.CLINICIAN, action="read")
def preview(letter_id: str) -> ResponseReturnValue:
    """Shows the preview with its sign button; without a valid preview, redirects to the draft."""
    found, stored_preview = _current_preview(LetterId(letter_id))
    if stored_preview is None or found.state is not LetterState.DRAFT:
        return redirect(url_for("pages.letter", letter_id=letter_id), 303)
    return _show(found, stored_preview, Form({}))


@pages.get("/letters/<letter_id>/preview.pdf")
@allow(CallerKind.CLINICIAN, action="read")
def preview_pdf(letter_id: str) -> Response:
    """Returns the PDF of the newest preview, for the clinician who made it."""
    found, stored_preview = _current_preview(LetterId(letter_id))
    if stored_preview is None or found.state is not LetterState.DRAFT:
        raise NotFound
    return build_pdf_response(stored_preview.pdf, f"preview-{found.kind.value}-letter-{found.number}")


@pages.post("/letters/<letter_id>/sign")
@clinicians_may_change
def sign(letter_id: str) -> ResponseReturnValue:
    """Signs exactly the PDF whose hash is posted; otherwise shows the draft and what changed."""
    wanted, given = LetterId(letter_id), request.form.get("preview_hash", "")
    try:
        signed = sign_letter(
            web_context().store, web_context().letter_context, wanted, account(), given, web_context().clock()
        )
    except NotAllowed as refusal:
        return _refused(wanted, refusal)
    with web_context().store.read() as uow:
        note_persons([uow.episodes.get(signed.episode).person])
    return redirect(url_for("pages.letter", letter_id=letter_id), 303)


def _refused(letter_id: LetterId, refusal: NotAllowed) -> ResponseReturnValue:
    with web_context().store.read() as uow:
        form = build_form(uow, uow.letters.get(letter_id))
    form.add_refusal(refusal)
    return render_letter(letter_id, form), 409


def _current_preview(letter_id: LetterId) -> tuple[Letter, Preview | None]:
    """Returns the letter, and its newest preview if this clinician made it today."""
    with web_context().store.read() as uow:
        found = uow.letters.get(letter_id)
        stored_preview = uow.letters.preview(letter_id)
        note_persons([uow.episodes.get(found.episode).person])
    mine = stored_preview is not None and stored_preview.by == account().id
    current = (
        mine
        and stored_preview is not None
        and stored_preview.on == today(web_context().clock(), web_context().clinic.zone)
    )
    return found, stored_preview if current else None


def _show(found: Letter, stored_preview: Preview, form: Form) -> str:
    with web_context().store.read() as uow:
        episode = uow.episodes.get(found.episode)
        person = uow.people.get(episode.person)
    return render_page(
        "preview.html",
        title=f"Preview of the letter about {person.given} {person.family}",
        section="people",
        form=form,
        letter=found,
        person=person,
        episode=episode,
        preview=stored_preview,
        signer=account(),
    )
