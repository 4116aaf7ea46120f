"""One safety flag: what was answered, what became of it, and the form that acknowledges it."""

from flask import redirect, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.identifiers import FlagId
from fhir_pmp.intake.decisions import acknowledge_flag
from fhir_pmp.pathway.facts import Flag
from fhir_pmp.pathway.safety import flag_lines
from fhir_pmp.web.access.auditing import note_persons, note_resources
from fhir_pmp.web.access.callers import account
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.blueprint import decides, pages, reads
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.frame import page
from fhir_pmp.web.pages.worklist import item_text

_LABELS = {"action": "What was done"}


@pages.get("/flags/<flag_id>")
@reads
def flag(flag_id: str) -> str:
    """The flag with its form."""
    return _show(FlagId(flag_id), Form(_LABELS))


@pages.post("/flags/<flag_id>/acknowledge")
@decides
def acknowledge(flag_id: str) -> ResponseReturnValue:
    """The clinician says what was done; only this makes the flag inactive."""
    form = Form.posted(_LABELS)
    form.require("action", "Say what was done: it stands in the letter and in the record")
    form.must_print("action")
    if form.faults:
        return _show(FlagId(flag_id), form), 400
    here, now = desk(), desk().clock()
    try:
        with here.store.begin() as books:
            done = acknowledge_flag(
                books,
                here.clinic,
                here.publisher,
                FlagId(flag_id),
                by=account().name,
                action=form.value("action"),
                now=now,
            )
    except (NotAllowed, NotUnderstood) as refusal:
        form.refuse(refusal)
        return _show(FlagId(flag_id), form), 409
    note_persons([done.person])
    return redirect(url_for("pages.person", person_id=done.person, _anchor="safety"), 303)


def _show(flag_id: FlagId, form: Form) -> str:
    clinic = desk().clinic
    with desk().store.read() as books:
        found = books.flags.get(flag_id)
        person = books.people.get(found.person)
        episode = books.episodes.get(found.episode)
        recorded = books.responses.get(found.response)
        others = [one for one in books.flags.of_episodes([episode.id])[episode.id] if one.id != found.id]
    note_persons([person.id])
    note_resources([f"QuestionnaireResponse/{recorded.response.id}/_history/{recorded.response.version}"])
    (line,) = flag_lines(clinic, [recorded.response], [found])
    return page(
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
    return list(flag_lines(desk().clinic, [], others))
