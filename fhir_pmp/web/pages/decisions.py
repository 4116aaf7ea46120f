"""A clinician's decisions about an episode: accept or decline the referral, end the episode."""

from flask import redirect, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.identifiers import EpisodeId
from fhir_pmp.intake.decisions import accept_referral, end_by_clinician
from fhir_pmp.letters.drafting import start_decline
from fhir_pmp.pathway.episodes import ENDINGS, By, Event, moves_from
from fhir_pmp.web.access.auditing import note_persons
from fhir_pmp.web.access.callers import account
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.blueprint import decides, pages
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.frame import page

_LABELS = {"event": "How it ends", "reason": "Reason"}
_ENDINGS = {
    Event.FINISH: "Finished the programme",
    Event.STOP: "Stopped early",
    Event.NEVER_START: "Never started",
}
_NEED_A_REASON = frozenset({Event.STOP, Event.NEVER_START})


@pages.post("/episodes/<episode_id>/accept")
@decides
def accept(episode_id: str) -> ResponseReturnValue:
    """The referral is accepted; the GP sees it on the Task. MoveNotListed is told as a page."""
    here = desk()
    with here.store.begin() as books:
        accepted = accept_referral(
            books,
            here.clinic,
            here.publisher,
            EpisodeId(episode_id),
            by=f"account:{account().id}",
            now=here.clock(),
        )
    note_persons([accepted.person])
    return redirect(url_for("pages.person", person_id=accepted.person), 303)


@pages.post("/episodes/<episode_id>/decline")
@decides
def decline(episode_id: str) -> ResponseReturnValue:
    """A decline letter is drafted; the referral is declined when it is signed. NothingToDecline is told as a page."""
    here = desk()
    letter = start_decline(here.store, here.press, EpisodeId(episode_id), here.clock())
    with here.store.read() as books:
        note_persons([books.episodes.get(letter.episode).person])
    return redirect(url_for("pages.letter", letter_id=letter.id), 303)


@pages.get("/episodes/<episode_id>/end")
@may(Visitor.CLINICIAN, action="read")
def ending(episode_id: str) -> ResponseReturnValue:
    """The form that ends an episode."""
    return _show(EpisodeId(episode_id), Form(_LABELS))


@pages.post("/episodes/<episode_id>/end")
@decides
def end(episode_id: str) -> ResponseReturnValue:
    """The episode ends; its discharge letter falls due."""
    form = Form.posted(_LABELS)
    event = next((one for one in _ENDINGS if one.value == form.value("event")), None)
    if event is None:
        form.faults.append(("event", "Choose how the episode ends"))
    if event in _NEED_A_REASON:
        form.require("reason", "Give the reason: the letter states it")
    form.must_print("reason")
    if form.faults or event is None:
        return _show(EpisodeId(episode_id), form), 400
    here = desk()
    try:
        with here.store.begin() as books:
            ended = end_by_clinician(
                books,
                here.clinic,
                here.publisher,
                EpisodeId(episode_id),
                event,
                reason=form.value("reason") or None,
                by=f"account:{account().id}",
                now=here.clock(),
            )
    except (NotAllowed, NotUnderstood) as refusal:
        form.refuse(refusal)
        return _show(EpisodeId(episode_id), form), 409
    note_persons([ended.person])
    return redirect(url_for("pages.person", person_id=ended.person), 303)


def _show(episode_id: EpisodeId, form: Form) -> str:
    with desk().store.read() as books:
        episode = books.episodes.get(episode_id)
        person = books.people.get(episode.person)
    note_persons([person.id])
    listed = [move.event for move in moves_from(episode.state, By.CLINICIAN) if move.event in ENDINGS]
    return page(
        "end.html",
        title=f"End the episode of {person.given} {person.family}",
        section="people",
        form=form,
        person=person,
        episode=episode,
        endings=[{"value": event.value, "text": _ENDINGS[event]} for event in listed],
    )
