"""Serves the page of one person: safety, outcomes, letters, pathway, measures and deliveries."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import redirect, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.errors import NotFound
from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.episode_states import ENDINGS, Actor, EpisodeEvent, moves_from
from fhir_pmp.pathway.facts import Episode, Person, Referral, ResponseStatus
from fhir_pmp.pathway.plain_words import plain_date
from fhir_pmp.pathway.programme.timepoints import due_on, window
from fhir_pmp.pathway.summary.outcome_summary import Summary, summarise
from fhir_pmp.pathway.summary.safety_lines import SafetyLine
from fhir_pmp.pathway.summary.summary_context import SummaryContext
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.episodes import EpisodeMove
from fhir_pmp.store.clinical.letters import Letter
from fhir_pmp.store.clinical.responses import RecordedResponse
from fhir_pmp.store.clinical.work_items import WorkItem
from fhir_pmp.web.access.audit_trail import note_persons, note_resources
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages import display
from fhir_pmp.web.pages.actor_names import ActorNames
from fhir_pmp.web.pages.blueprint import pages, staff_may_read
from fhir_pmp.web.pages.deliveries import DestinationDeliveries, summarise_deliveries
from fhir_pmp.web.pages.page_layout import render_page
from fhir_pmp.web.pages.scale_display import build_overview, build_scale_displays


class EpisodeNotOfPerson(NotFound):
    """This person has no such episode."""


@dataclass(frozen=True, slots=True)
class TimepointLine:
    """One timepoint: when it is due, and which questionnaires were received."""

    title: str
    due: str
    questionnaires: tuple[
        tuple[str, tuple[str, ...]], ...
    ]  # status such as "answered on 5 April 2026", and the titles with it


@dataclass(frozen=True, slots=True)
class Pathway:
    """The data of the page: one person's episode in the programme."""

    person: Person
    episode: Episode
    others: list[Episode]
    summary: Summary
    referral: Referral | None
    referred_by: str | None
    letters: list[Letter]
    items: list[WorkItem]
    moves: list[EpisodeMove]
    recorded: list[RecordedResponse]
    delivered: list[DestinationDeliveries]
    names: ActorNames


@pages.get("/people/<person_id>")
@staff_may_read
def person(person_id: str) -> ResponseReturnValue:
    """Shows the person's newest episode; a duplicate record redirects to the record that was kept."""
    with web_context().store.read() as uow:
        known = uow.people.get(PersonId(person_id))
        kept = uow.people.same_as(known.id)
        if kept is not None:
            note_persons([known.id])
            return redirect(url_for("pages.person", person_id=kept), 303)
        episodes = uow.episodes.of_person(known.id)
        if not episodes:
            raise EpisodeNotOfPerson(field="episode")
        pathway = _load_pathway(uow, known, episodes, episodes[-1])
    return _show(pathway)


@pages.get("/people/<person_id>/episodes/<episode_id>")
@staff_may_read
def episode(person_id: str, episode_id: str) -> str:
    """Shows one episode of the person."""
    with web_context().store.read() as uow:
        known = uow.people.get(PersonId(person_id))
        episodes = uow.episodes.of_person(known.id)
        wanted = next((one for one in episodes if one.id == EpisodeId(episode_id)), None)
        if wanted is None:
            raise EpisodeNotOfPerson(field="episode")
        pathway = _load_pathway(uow, known, episodes, wanted)
    return _show(pathway)


def _load_pathway(uow: UnitOfWork, known: Person, episodes: list[Episode], wanted: Episode) -> Pathway:
    clinic = web_context().clinic
    recorded = uow.responses.of_episode(wanted.id, withdrawn=True)
    flags = uow.flags.of_episodes([wanted.id]).get(wanted.id, [])
    responses = [one.response for one in recorded]
    summary = summarise(clinic, known, wanted, responses, flags, web_context().clock())
    referral = uow.referrals.of_episodes([wanted.id]).get(wanted.id)
    about = uow.work_items.list_open(person=known.id)
    return Pathway(
        person=known,
        episode=wanted,
        others=[one for one in reversed(episodes) if one.id != wanted.id],
        summary=summary,
        referral=referral,
        referred_by=None if referral is None else uow.clients.get(referral.client).name,
        letters=uow.letters.of_episode(wanted.id),
        items=[item for item in about if item.episode in (None, wanted.id)],
        moves=uow.episodes.history(wanted.id),
        recorded=recorded,
        delivered=summarise_deliveries(uow, known.id),
        names=ActorNames.load(uow),
    )


def _show(pathway: Pathway) -> str:
    clinic, summary = web_context().clinic, pathway.summary
    note_persons([pathway.person.id])
    note_resources(
        f"QuestionnaireResponse/{one.response.id}/_history/{one.response.version}" for one in pathway.recorded
    )
    listed = {move.event for move in moves_from(pathway.episode.state, Actor.CLINICIAN)}
    return render_page(
        "person.html",
        title=f"{pathway.person.given} {pathway.person.family}",
        section="people",
        pathway=pathway,
        person=pathway.person,
        episode=pathway.episode,
        summary=summary,
        measures=build_scale_displays(clinic, summary),
        safety=list(_safety_items(summary)),
        urgent=bool(summary.unacknowledged) or any(line.unanswered for line in summary.safety),
        timepoints=list(_timepoints(clinic, pathway)),
        lessons=clinic.programme.lessons,
        done={lesson.number: lesson.completed_on for lesson in pathway.episode.lessons},
        overview=build_overview(clinic, summary),
        later=[timepoint.title for timepoint in clinic.programme.later],
        may_accept=EpisodeEvent.ACCEPT in listed,
        may_end=bool(listed & ENDINGS),
    )


def _safety_items(summary: Summary) -> Iterator[tuple[str, list[SafetyLine]]]:
    """Yields the name of each safety item with its line at every timepoint."""
    for item in dict.fromkeys(line.item for line in summary.safety):
        lines = [line for line in summary.safety if line.item == item]
        yield web_context().letter_context.wording.safety_item(item, lines[0].title), lines


def _timepoints(clinic: ClinicalContext, pathway: Pathway) -> Iterator[TimepointLine]:
    context = SummaryContext(clinic, pathway.episode, pathway.summary.made_at)
    for timepoint in clinic.programme.timepoints:
        received = [one for one in pathway.recorded if one.response.timepoint == timepoint.id]
        titles_by_status: dict[str, list[str]] = {}
        arrived = set()
        for one in received:
            if one.response.status is not ResponseStatus.ENTERED_IN_ERROR:
                arrived.add(one.response.instrument)
            title = clinic.instruments[one.response.instrument].title
            titles_by_status.setdefault(_received(clinic, context, one), []).append(title)
        for name in timepoint.instruments:
            if name not in arrived:
                absence = context.absence(timepoint, name).text
                titles_by_status.setdefault(absence, []).append(clinic.instruments[name].title)
        lines = tuple((text, tuple(titles)) for text, titles in titles_by_status.items())
        yield TimepointLine(timepoint.title, _due(clinic, pathway, timepoint.id), lines)


def _received(clinic: ClinicalContext, context: SummaryContext, one: RecordedResponse) -> str:
    response = one.response
    parts = [f"answered on {display.answered(response.authored)}"]
    if response.status is ResponseStatus.AMENDED:
        parts.append("amended")
    if response.status is ResponseStatus.ENTERED_IN_ERROR:
        parts.append(f"withdrawn ({one.withdrawn_reason})")
    if context.is_outside_window(clinic.programme.timepoint(response.timepoint), response):
        parts.append("outside its window")
    return ", ".join(parts)


def _due(clinic: ClinicalContext, pathway: Pathway, name: str) -> str:
    timepoint = clinic.programme.timepoint(name)
    due, days = due_on(timepoint, pathway.episode), window(timepoint, pathway.episode)
    if due is None or days is None:
        return "due date known once the programme starts"
    return f"due {plain_date(due)}, accepted {plain_date(days.opens_on)} to {plain_date(days.closes_on)}"
