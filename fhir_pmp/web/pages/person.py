"""One person's pathway: safety first, outcomes, lessons and timepoints, referral, letters, what was delivered."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import redirect, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.errors import NotFound
from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.pathway.case import Case
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import ENDINGS, By, Event, moves_from
from fhir_pmp.pathway.facts import Episode, Person, Referral, ResponseStatus
from fhir_pmp.pathway.safety import SafetyLine
from fhir_pmp.pathway.summary import Summary, summarise
from fhir_pmp.pathway.timepoints import due_on, window
from fhir_pmp.pathway.wording import plain_date
from fhir_pmp.store import Books
from fhir_pmp.store.episodes import EpisodeMove
from fhir_pmp.store.letters import Letter
from fhir_pmp.store.responses import RecordedResponse
from fhir_pmp.store.work_items import WorkItem
from fhir_pmp.web.access.auditing import note_persons, note_resources
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages import shown
from fhir_pmp.web.pages.accounts import Names
from fhir_pmp.web.pages.blueprint import pages, reads
from fhir_pmp.web.pages.deliveries import Delivered, delivered_to
from fhir_pmp.web.pages.frame import page
from fhir_pmp.web.pages.measures import glance_of, measures_of


class AnotherPersons(NotFound):
    """This person has no such episode."""


@dataclass(frozen=True, slots=True)
class TimepointLine:
    """One timepoint: when it is due and what came."""

    title: str
    due: str
    questionnaires: tuple[tuple[str, tuple[str, ...]], ...]  # "answered on 5 April 2026": the titles


@dataclass(frozen=True, slots=True)
class Pathway:
    """Everything the page says of one person's run through the programme."""

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
    delivered: list[Delivered]
    names: Names


@pages.get("/people/<person_id>")
@reads
def person(person_id: str) -> ResponseReturnValue:
    """The person's newest episode; a record that was found to be a double leads to the one that was kept."""
    with desk().store.read() as books:
        known = books.people.get(PersonId(person_id))
        kept = books.people.same_as(known.id)
        if kept is not None:
            note_persons([known.id])
            return redirect(url_for("pages.person", person_id=kept), 303)
        episodes = books.episodes.of_person(known.id)
        if not episodes:
            raise AnotherPersons(field="episode")
        pathway = _pathway(books, known, episodes, episodes[-1])
    return _show(pathway)


@pages.get("/people/<person_id>/episodes/<episode_id>")
@reads
def episode(person_id: str, episode_id: str) -> str:
    """One episode of the person."""
    with desk().store.read() as books:
        known = books.people.get(PersonId(person_id))
        episodes = books.episodes.of_person(known.id)
        wanted = next((one for one in episodes if one.id == EpisodeId(episode_id)), None)
        if wanted is None:
            raise AnotherPersons(field="episode")
        pathway = _pathway(books, known, episodes, wanted)
    return _show(pathway)


def _pathway(books: Books, known: Person, episodes: list[Episode], wanted: Episode) -> Pathway:
    clinic = desk().clinic
    recorded = books.responses.of_episode(wanted.id, withdrawn=True)
    flags = books.flags.of_episodes([wanted.id]).get(wanted.id, [])
    responses = [one.response for one in recorded]
    summary = summarise(clinic, known, wanted, responses, flags, desk().clock())
    referral = books.referrals.of_episodes([wanted.id]).get(wanted.id)
    about = books.work_items.list_open(person=known.id)
    return Pathway(
        person=known,
        episode=wanted,
        others=[one for one in reversed(episodes) if one.id != wanted.id],
        summary=summary,
        referral=referral,
        referred_by=None if referral is None else books.clients.get(referral.client).name,
        letters=books.letters.of_episode(wanted.id),
        items=[item for item in about if item.episode in (None, wanted.id)],
        moves=books.episodes.history(wanted.id),
        recorded=recorded,
        delivered=delivered_to(books, known.id),
        names=Names.of(books),
    )


def _show(pathway: Pathway) -> str:
    clinic, summary = desk().clinic, pathway.summary
    note_persons([pathway.person.id])
    note_resources(
        f"QuestionnaireResponse/{one.response.id}/_history/{one.response.version}" for one in pathway.recorded
    )
    listed = {move.event for move in moves_from(pathway.episode.state, By.CLINICIAN)}
    return page(
        "person.html",
        title=f"{pathway.person.given} {pathway.person.family}",
        section="people",
        pathway=pathway,
        person=pathway.person,
        episode=pathway.episode,
        summary=summary,
        measures=measures_of(clinic, summary),
        safety=list(_safety_items(summary)),
        urgent=bool(summary.unacknowledged) or any(line.unanswered for line in summary.safety),
        timepoints=list(_timepoints(clinic, pathway)),
        lessons=clinic.programme.lessons,
        done={lesson.number: lesson.completed_on for lesson in pathway.episode.lessons},
        glance=glance_of(clinic, summary),
        later=[timepoint.title for timepoint in clinic.programme.later],
        may_accept=Event.ACCEPT in listed,
        may_end=bool(listed & ENDINGS),
    )


def _safety_items(summary: Summary) -> Iterator[tuple[str, list[SafetyLine]]]:
    """Each safety item by name, with its line at every timepoint."""
    for item in dict.fromkeys(line.item for line in summary.safety):
        lines = [line for line in summary.safety if line.item == item]
        yield desk().press.wording.safety_item(item, lines[0].title), lines


def _timepoints(clinic: Clinic, pathway: Pathway) -> Iterator[TimepointLine]:
    case = Case(clinic, pathway.episode, pathway.summary.made_at)
    for timepoint in clinic.programme.timepoints:
        came = [one for one in pathway.recorded if one.response.timepoint == timepoint.id]
        said: dict[str, list[str]] = {}
        arrived = set()
        for one in came:
            if one.response.status is not ResponseStatus.ENTERED_IN_ERROR:
                arrived.add(one.response.instrument)
            title = clinic.instruments[one.response.instrument].title
            said.setdefault(_received(clinic, case, one), []).append(title)
        for name in timepoint.instruments:
            if name not in arrived:
                absence = case.absence(timepoint, name).text
                said.setdefault(absence, []).append(clinic.instruments[name].title)
        lines = tuple((text, tuple(titles)) for text, titles in said.items())
        yield TimepointLine(timepoint.title, _due(clinic, pathway, timepoint.id), lines)


def _received(clinic: Clinic, case: Case, one: RecordedResponse) -> str:
    response = one.response
    told = [f"answered on {shown.answered(response.authored)}"]
    if response.status is ResponseStatus.AMENDED:
        told.append("amended")
    if response.status is ResponseStatus.ENTERED_IN_ERROR:
        told.append(f"withdrawn ({one.withdrawn_reason})")
    if case.lies_outside(clinic.programme.timepoint(response.timepoint), response):
        told.append("outside its window")
    return ", ".join(told)


def _due(clinic: Clinic, pathway: Pathway, name: str) -> str:
    timepoint = clinic.programme.timepoint(name)
    due, days = due_on(timepoint, pathway.episode), window(timepoint, pathway.episode)
    if due is None or days is None:
        return "dated once the programme starts"
    return f"due {plain_date(due)}, accepted {plain_date(days.opens_on)} to {plain_date(days.closes_on)}"
