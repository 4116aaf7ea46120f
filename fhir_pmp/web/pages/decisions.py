"""Serves a clinician's decisions: accept or decline a referral, end an episode."""

from flask import redirect, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.identifiers import EpisodeId
from fhir_pmp.intake.episode.clinician_decisions import accept_referral, end_episode_by_clinician
from fhir_pmp.letters.lifecycle.drafting import start_decline
from fhir_pmp.pathway.episode_states import ENDINGS, Actor, EpisodeEvent, moves_from
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.access.callers import account
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.blueprint import clinicians_may_change, pages
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.page_layout import render_page

_LABELS = {"event": "How it ends", "reason": "Reason"}
_ENDING_TEXTS = {
    EpisodeEvent.FINISH: "Finished the programme",
    EpisodeEvent.STOP: "Stopped early",
    EpisodeEvent.NEVER_START: "Never started",
}
_REASON_REQUIRED = frozenset({EpisodeEvent.STOP, EpisodeEvent.NEVER_START})


@pages.post("/episodes/<episode_id>/accept")
@clinicians_may_change
def accept(episode_id: str) -> ResponseReturnValue:
    """Accepts the referral; the GP sees it on the Task.

    A MoveNotListed becomes an error page.
    """
    context = web_context()
    with context.store.begin() as uow:
        accepted = accept_referral(
            uow,
            context.publishing,
            EpisodeId(episode_id),
            by=f"account:{account().id}",
            now=context.clock(),
        )
    note_persons([accepted.person])
    return redirect(url_for("pages.person", person_id=accepted.person), 303)


@pages.post("/episodes/<episode_id>/decline")
@clinicians_may_change
def decline(episode_id: str) -> ResponseReturnValue:
    """Drafts a decline letter; the referral is declined when the letter is signed.

    A NothingToDecline becomes an error page.
    """
    context = web_context()
    letter = start_decline(context.store, context.letter_context, EpisodeId(episode_id), context.clock())
    with context.store.read() as uow:
        note_persons([uow.episodes.get(letter.episode).person])
    return redirect(url_for("pages.letter", letter_id=letter.id), 303)


@pages.get("/episodes/<episode_id>/end")
@allow(CallerKind.CLINICIAN, action="read")
def end_form(episode_id: str) -> ResponseReturnValue:
    """Shows the form that ends an episode."""
    return _show(EpisodeId(episode_id), Form(_LABELS))


@pages.post("/episodes/<episode_id>/end")
@clinicians_may_change
def end(episode_id: str) -> ResponseReturnValue:
    """Ends the episode; its discharge letter falls due."""
    form = Form.from_request(_LABELS)
    event = next((one for one in _ENDING_TEXTS if one.value == form.value("event")), None)
    if event is None:
        form.faults.append(("event", "Choose how the episode ends"))
    if event in _REASON_REQUIRED:
        form.require("reason", "Enter the reason; the letter states it")
    form.require_printable("reason")
    if form.faults or event is None:
        return _show(EpisodeId(episode_id), form), 400
    context = web_context()
    try:
        with context.store.begin() as uow:
            ended = end_episode_by_clinician(
                uow,
                context.publishing,
                EpisodeId(episode_id),
                event,
                reason=form.value("reason") or None,
                by=f"account:{account().id}",
                now=context.clock(),
            )
    except (NotAllowed, NotUnderstood) as refusal:
        form.add_refusal(refusal)
        return _show(EpisodeId(episode_id), form), 409
    note_persons([ended.person])
    return redirect(url_for("pages.person", person_id=ended.person), 303)


def _show(episode_id: EpisodeId, form: Form) -> str:
    with web_context().store.read() as uow:
        episode = uow.episodes.get(episode_id)
        person = uow.people.get(episode.person)
    note_persons([person.id])
    listed = [move.event for move in moves_from(episode.state, Actor.CLINICIAN) if move.event in ENDINGS]
    return render_page(
        "end.html",
        title=f"End the episode of {person.given} {person.family}",
        section="people",
        form=form,
        person=person,
        episode=episode,
        endings=[{"value": event.value, "text": _ENDING_TEXTS[event]} for event in listed],
    )
