"""Serves the worklist: everything that waits for a clinician, safety first."""

from dataclasses import dataclass

from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.intake.clinician_questions import SAFETY_NOT_ANSWERED
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Episode, EpisodeState, Flag, Person, Referral
from fhir_pmp.pathway.plain_words import answer_words
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.letters import Letter
from fhir_pmp.store.clinical.work_items import WorkItem
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.blueprint import pages, staff_may_read
from fhir_pmp.web.pages.forms import SEARCH_LABELS, Form
from fhir_pmp.web.pages.page_layout import render_page

MAX_ROWS = 50
"""The most rows of one list. Each list shows its total number as well."""


@dataclass(frozen=True, slots=True)
class WorklistContent:
    """The open tasks, oldest first, at most MAX_ROWS of each kind, with their total numbers."""

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
@staff_may_read
def worklist() -> str:
    """Shows safety flags, unanswered safety items, referrals, letters, work items and people by state."""
    with web_context().store.read() as uow:
        waiting = _load_worklist(uow)
    note_persons(waiting.people)
    return render_page(
        "worklist.html",
        title="Worklist",
        section="worklist",
        waiting=waiting,
        max_rows=MAX_ROWS,
        answer=lambda flag: answer_text(web_context().clinic, flag),
        item=lambda flag: item_text(web_context().clinic, flag),
        as_of=web_context().clock(),
        form=Form(SEARCH_LABELS),
    )


def answer_text(clinic: ClinicalContext, flag: Flag) -> str:
    """Returns the answer that raised a flag, in words."""
    return answer_words(clinic.instruments[flag.instrument].item(flag.item), flag.answer)


def item_text(clinic: ClinicalContext, flag: Flag) -> str:
    """Returns the name, as in letters, of the item that raised a flag."""
    label = clinic.instruments[flag.instrument].item(flag.item).label
    return web_context().letter_context.wording.safety_item(flag.item, label)


def _load_worklist(uow: UnitOfWork) -> WorklistContent:
    flags = uow.flags.list_open()
    open_items = uow.work_items.list_open()
    unanswered = [item for item in open_items if item.kind == SAFETY_NOT_ANSWERED]
    items = [item for item in open_items if item.kind != SAFETY_NOT_ANSWERED]
    letters = sorted(uow.letters.list_drafts(), key=lambda letter: (letter.drafted_at, letter.id))
    referred = uow.episodes.list_all([EpisodeState.REFERRED])
    found = uow.referrals.of_episodes(episode.id for episode in referred).values()
    referrals = sorted(found, key=lambda referral: (referral.received_at, referral.id))
    totals = {
        "flags": len(flags),
        "unanswered": len(unanswered),
        "items": len(items),
        "letters": len(letters),
        "referrals": len(referrals),
    }
    # People whose rows are not shown appear neither on the page nor in the audit.
    flags, unanswered, items = flags[:MAX_ROWS], unanswered[:MAX_ROWS], items[:MAX_ROWS]
    letters, referrals = letters[:MAX_ROWS], referrals[:MAX_ROWS]
    episodes = uow.episodes.find_many(letter.episode for letter in letters)
    persons = [flag.person for flag in flags]
    persons += [item.person for item in (*unanswered, *items) if item.person is not None]
    persons += [episodes[letter.episode].person for letter in letters]
    persons += [referral.person for referral in referrals]
    return WorklistContent(
        flags=flags,
        unanswered=unanswered,
        items=items,
        letters=letters,
        referrals=referrals,
        totals=totals,
        people=uow.people.find_many(persons),
        episodes=episodes,
        states=uow.episodes.count_by_state(),
    )
