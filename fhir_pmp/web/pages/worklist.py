"""The worklist: what waits for a clinician, safety first."""

from dataclasses import dataclass

from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.intake.responses import UNANSWERED
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import Episode, EpisodeState, Flag, Person, Referral
from fhir_pmp.pathway.wording import answer_words
from fhir_pmp.store import Books
from fhir_pmp.store.letters import Letter
from fhir_pmp.store.work_items import WorkItem
from fhir_pmp.web.access.auditing import note_persons
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.blueprint import pages, reads
from fhir_pmp.web.pages.forms import NUMBER, Form
from fhir_pmp.web.pages.frame import page

MOST = 50
"""Rows of one list; the rest comes when these are done. Each list says how many there are in all."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Everything that waits, the longest standing first, at most MOST of each; and how many there are in all."""

    flags: list[Flag]
    unanswered: list[WorkItem]
    items: list[WorkItem]
    letters: list[Letter]
    referrals: list[Referral]
    totals: dict[str, int]
    people: dict[PersonId, Person]
    episodes: dict[EpisodeId, Episode]
    states: dict[EpisodeState, int]


@pages.get("/worklist")
@reads
def worklist() -> str:
    """Safety flags, unanswered safety items, referrals, letters, work items, and who is where."""
    with desk().store.read() as books:
        waiting = _waiting(books)
    note_persons(waiting.people)
    return page(
        "worklist.html",
        title="Worklist",
        section="worklist",
        waiting=waiting,
        most=MOST,
        answer=lambda flag: answer_text(desk().clinic, flag),
        item=lambda flag: item_text(desk().clinic, flag),
        as_of=desk().clock(),
        form=Form(NUMBER),
    )


def answer_text(clinic: Clinic, flag: Flag) -> str:
    """The answer that raised a flag, in words."""
    return answer_words(clinic.instruments[flag.instrument].item(flag.item), flag.answer)


def item_text(clinic: Clinic, flag: Flag) -> str:
    """The item that raised a flag: what letters call it."""
    label = clinic.instruments[flag.instrument].item(flag.item).label
    return desk().press.wording.safety_item(flag.item, label)


def _waiting(books: Books) -> Waiting:
    flags = books.flags.list_open()
    open_items = books.work_items.list_open()
    unanswered = [item for item in open_items if item.kind == UNANSWERED]
    items = [item for item in open_items if item.kind != UNANSWERED]
    letters = sorted(books.letters.list_drafts(), key=lambda letter: (letter.drafted_at, letter.id))
    referred = books.episodes.list_all([EpisodeState.REFERRED])
    found = books.referrals.of_episodes(episode.id for episode in referred).values()
    referrals = sorted(found, key=lambda referral: (referral.received_at, referral.id))
    totals = {
        "flags": len(flags),
        "unanswered": len(unanswered),
        "items": len(items),
        "letters": len(letters),
        "referrals": len(referrals),
    }
    # Nobody is named, in the page or in the audit, who is not shown.
    flags, unanswered, items = flags[:MOST], unanswered[:MOST], items[:MOST]
    letters, referrals = letters[:MOST], referrals[:MOST]
    episodes = books.episodes.find_many(letter.episode for letter in letters)
    persons = [flag.person for flag in flags]
    persons += [item.person for item in (*unanswered, *items) if item.person is not None]
    persons += [episodes[letter.episode].person for letter in letters]
    persons += [referral.person for referral in referrals]
    return Waiting(
        flags=flags,
        unanswered=unanswered,
        items=items,
        letters=letters,
        referrals=referrals,
        totals=totals,
        people=books.people.find_many(persons),
        episodes=episodes,
        states=books.episodes.count_by_state(),
    )
