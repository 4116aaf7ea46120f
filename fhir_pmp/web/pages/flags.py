"""Serves one safety flag: the answer, its status, and the form that acknowledges it."""

from flask import redirect, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.identifiers import FlagId
from fhir_pmp.intake.episode.clinician_decisions import acknowledge_flag
from fhir_pmp.pathway.facts import Flag
from fhir_pmp.pathway.summary.safety_lines import flag_lines
from fhir_pmp.web.access.audit_trail import note_persons, note_resources
from fhir_pmp.web.access.callers import account
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.blueprint import clinicians_may_change, pages, staff_may_read
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.page_layout import render_page
from fhir_pmp.web.pages.worklist import item_text

_LABELS = {"action": "What was done"}


@pages.get("/flags/<flag_id>")
@staff_may_read
def flag(flag_id: str) -> str:
    """Shows the flag with its form."""
    return _show(FlagId(flag_id), Form(_LABELS))


@pages.post("/flags/<flag_id>/acknowledge")
@clinicians_may_change
def acknowledge(flag_id: str) -> ResponseReturnValue:
    """Acknowledges the flag with the action taken; only this makes a flag inactive."""
    form = Form.from_request(_LABELS)
    form.require("action", "Enter what was done; the letter and the record state it")
    form.require_printable("action")
    if form.faults:
        return _show(FlagId(flag_id), form), 400
    context, now = web_context(), web_context().clock()
    try:
        with context.store.begin() as uow:
            done = acknowledge_flag(
                uow,
                context.publishing,
                FlagId(flag_id),
                by=account().name,
                action=form.value("action"),
                now=now,
            )
    except (NotAllowed, NotUnderstood) as refusal:
        form.add_refusal(refusal)
        return _show(FlagId(flag_id), form), 409
    note_persons([done.person])
    return redirect(url_for("pages.person", person_id=done.person, _anchor="safety"), 303)


def _show(flag_id: FlagId, form: Form) -> str:
    clinic = web_context().clinic
    with web_context().store.read() as uow:
        found = uow.flags.get(flag_id)
        person = uow.people.get(found.person)
        episode = uow.episodes.get(found.episode)
        recorded = uow.responses.get(found.response)
        others = [one for one in uow.flags.of_episodes([episode.id])[episode.id] if one.id != found.id]
    note_persons([person.id])
    note_resources([f"QuestionnaireResponse/{recorded.response.id}/_history/{recorded.response.version}"])
    (line,) = flag_lines(clinic, [recorded.response], [found])
    return render_page(
        "flag.html",
        title=f"Safety flag, {person.given} {person.family}",
        section="worklist",
        form=form,
        person=person,
        episode=episode,
        line=line,
        item=item_text(clinic, found),
        answered=recorded.response.authored,
        others=_lines(others),
    )


def _lines(others: list[Flag]) -> list[object]:
    return list(flag_lines(web_context().clinic, [], others))
