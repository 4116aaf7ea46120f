"""Serves the list of people by state, and the search by an exact number."""

from dataclasses import dataclass

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.pathway.facts import Episode, EpisodeState, Person, Referral
from fhir_pmp.pathway.programme.definition import lessons_done
from fhir_pmp.store import UnitOfWork
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.blueprint import pages, staff_may_read
from fhir_pmp.web.pages.forms import SEARCH_LABELS, Form
from fhir_pmp.web.pages.page_layout import render_page

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class EpisodeList:
    """Episodes with their people and referrals."""

    episodes: list[Episode]
    people: dict[PersonId, Person]
    referrals: dict[EpisodeId, Referral]

    @classmethod
    def load(cls, uow: UnitOfWork, episodes: list[Episode]) -> "EpisodeList":
        """Reads people and referrals of these episodes; keeps their order."""
        people = uow.people.find_many(episode.person for episode in episodes)
        return cls(episodes, people, uow.referrals.of_episodes(episode.id for episode in episodes))


@pages.get("/people")
@staff_may_read
def people() -> str:
    """Lists episodes by the person's name, for one state or all, in pages.

    No name appears in the URL.
    """
    state, number = _state(), max(1, request.args.get("page", 1, type=int))
    with web_context().store.read() as uow:
        counts = uow.episodes.count_by_state()
        total = sum(counts.values()) if state is None else counts.get(state, 0)
        found = uow.episodes.list_by_name(
            None if state is None else [state], offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE
        )
        listed = EpisodeList.load(uow, found)
    note_persons(listed.people)
    return render_page(
        "people.html",
        title="People" if number == 1 else f"People, page {number}",
        section="people",
        listed=listed,
        counts=counts,
        state=state,
        states=list(EpisodeState),
        number=number,
        total=total,
        last=max(1, -(-total // PAGE_SIZE)),
        lessons_done=lessons_done,
        lessons=len(web_context().clinic.programme.lessons),
        form=Form(SEARCH_LABELS),
    )


@pages.post("/search")
@allow(CallerKind.CLINICIAN, CallerKind.ADMINISTRATOR, action="query")
def search() -> ResponseReturnValue:
    """Finds a person by exact referral number, identifier or enrolment id.

    It is a POST, because the number identifies the person and must not appear in URLs.
    """
    form = Form.from_request(SEARCH_LABELS)
    form.require("number", "Enter a referral number or an identifier")
    if form.faults:
        return _results(form, None), 400
    with web_context().store.read() as uow:
        persons = _find(uow, form.value("number"))
        episodes = [one for some in uow.episodes.of_people(persons).values() for one in some]
        listed = EpisodeList.load(uow, episodes)
    if len(persons) == 1:
        return redirect(url_for("pages.person", person_id=persons[0]), 303)
    note_persons(listed.people)
    return _results(form, listed)


def _results(form: Form, listed: EpisodeList | None) -> str:
    return render_page(
        "search.html",
        title="Search",
        section="people",
        form=form,
        listed=listed,
        lessons_done=lessons_done,
        lessons=len(web_context().clinic.programme.lessons),
    )


def _find(uow: UnitOfWork, number: str) -> list[PersonId]:
    """Returns the people that the number identifies; never by name or birth date."""
    found: list[PersonId] = []
    # Users type Medicare numbers in groups, and referral numbers in lower case.
    for written in dict.fromkeys((number, "".join(number.split()))):
        referral = uow.referrals.find_by_number(written.upper())
        found += [] if referral is None else [referral.person]
        found += [person.id for person in uow.people.find_by_value(written)]
        for source in web_context().sources:
            episode = uow.episodes.find_by_enrolment(source, written)
            found += [] if episode is None else [episode.person]
    return list(dict.fromkeys(found))


def _state() -> EpisodeState | None:
    wanted = request.args.get("state")
    try:
        return None if wanted is None else EpisodeState(wanted)
    except ValueError:
        raise NotFound from None
