"""Who is where: episodes by state, and somebody looked up by an exact number."""

from dataclasses import dataclass

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.pathway.facts import Episode, EpisodeState, Person, Referral
from fhir_pmp.pathway.programme import lessons_done
from fhir_pmp.store import Books
from fhir_pmp.web.access.auditing import note_persons
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.blueprint import pages, reads
from fhir_pmp.web.pages.forms import NUMBER, Form
from fhir_pmp.web.pages.frame import page

PAGE = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """Episodes with whose they are."""

    episodes: list[Episode]
    people: dict[PersonId, Person]
    referrals: dict[EpisodeId, Referral]

    @classmethod
    def of(cls, books: Books, episodes: list[Episode]) -> "Listed":
        """These episodes, in their order."""
        people = books.people.find_many(episode.person for episode in episodes)
        return cls(episodes, people, books.referrals.of_episodes(episode.id for episode in episodes))


@pages.get("/people")
@reads
def people() -> str:
    """Episodes by the person's name, one state or all, a page at a time. No name stands in the address."""
    state, number = _state(), max(1, request.args.get("page", 1, type=int))
    with desk().store.read() as books:
        counts = books.episodes.count_by_state()
        total = sum(counts.values()) if state is None else counts.get(state, 0)
        found = books.episodes.list_by_name(
            None if state is None else [state], offset=(number - 1) * PAGE, limit=PAGE
        )
        listed = Listed.of(books, found)
    note_persons(listed.people)
    return page(
        "people.html",
        title="People" if number == 1 else f"People, page {number}",
        section="people",
        listed=listed,
        counts=counts,
        state=state,
        states=list(EpisodeState),
        number=number,
        total=total,
        last=max(1, -(-total // PAGE)),
        lessons_done=lessons_done,
        lessons=len(desk().clinic.programme.lessons),
        form=Form(NUMBER),
    )


@pages.post("/search")
@may(Visitor.CLINICIAN, Visitor.ADMINISTRATOR, action="query")
def search() -> ResponseReturnValue:
    """Somebody by our referral number, an identifier or the platform's enrolment id, each exactly. POST: it names them."""
    form = Form.posted(NUMBER)
    form.require("number", "Enter a referral number or an identifier")
    if form.faults:
        return _results(form, None), 400
    with desk().store.read() as books:
        persons = _find(books, form.value("number"))
        episodes = [one for some in books.episodes.of_people(persons).values() for one in some]
        listed = Listed.of(books, episodes)
    if len(persons) == 1:
        return redirect(url_for("pages.person", person_id=persons[0]), 303)
    note_persons(listed.people)
    return _results(form, listed)


def _results(form: Form, listed: Listed | None) -> str:
    return page(
        "search.html",
        title="Search",
        section="people",
        form=form,
        listed=listed,
        lessons_done=lessons_done,
        lessons=len(desk().clinic.programme.lessons),
    )


def _find(books: Books, number: str) -> list[PersonId]:
    """Whoever the number names; never by name or birth date."""
    found: list[PersonId] = []
    # People write Medicare numbers in groups, and referral numbers in small letters.
    for written in dict.fromkeys((number, "".join(number.split()))):
        referral = books.referrals.find_by_number(written.upper())
        found += [] if referral is None else [referral.person]
        found += [person.id for person in books.people.find_by_value(written)]
        for source in desk().sources:
            episode = books.episodes.find_by_enrolment(source, written)
            found += [] if episode is None else [episode.person]
    return list(dict.fromkeys(found))


def _state() -> EpisodeState | None:
    wanted = request.args.get("state")
    try:
        return None if wanted is None else EpisodeState(wanted)
    except ValueError:
        raise NotFound from None
