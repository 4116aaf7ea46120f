"""Simulates the demo's clinician: decides on referrals and acknowledges safety flags."""

from collections.abc import Mapping
from dataclasses import dataclass

from demo.letter_signing import sign_draft
from demo.page_client import PageClient, PageRefused
from demo.people import Person
from demo.practice_system import PracticeSystems, SubmittedReferral
from demo.progress import ProgressCounter

UNDECIDED_STATUSES = frozenset({"requested", "received"})
REJECTED_STATUSES = frozenset({"rejected", "cancelled"})
MIN_REFERRALS_TO_DECLINE_SOME = 10

FLAG_ACTION = "Telephoned the person, went through their safety plan with them, and told the practice."
DECLINE_REASON = "Not suited to an online programme at present: needs to be seen in person first."


@dataclass(frozen=True)
class Decisions:
    """The people whose referral is not accepted; none where few are referred."""

    declined: Person | None = None
    cancelled: Person | None = None  # by the GP
    waiting: Person | None = None

    @classmethod
    def choose(cls, referred: list[Person]) -> "Decisions":
        """Chooses people who were referred lately, because they have the fewest responses."""
        if len(referred) < MIN_REFERRALS_TO_DECLINE_SOME:
            return cls()
        return cls(*sorted(referred, key=lambda person: person.ended_how is not None)[:3])


def decide_referrals(
    pages: PageClient,
    people: list[Person],
    referred: Mapping[str, SubmittedReferral],
    practices: PracticeSystems,
    progress: ProgressCounter,
) -> frozenset[str]:
    """Decides every referral that is still undecided; returns the record ids of all accepted people."""
    to_decide = [person for person in people if person.record_id in referred]
    decisions = Decisions.choose(to_decide)
    undecided = [one for one in to_decide if _status(one, referred, practices) in UNDECIDED_STATUSES]
    progress.set_done(len(to_decide) - len(undecided))
    if decisions.cancelled in undecided:
        practices.for_person(decisions.cancelled).cancel(referred[decisions.cancelled.record_id].task)
        progress.advance()
    left = {
        referred[one.record_id].number: one
        for one in undecided
        if one not in (decisions.cancelled, decisions.waiting)
    }
    while left:
        decided = _decide_on_the_worklist(pages, left, decisions.declined, progress)
        if not decided:
            raise PageRefused(f"{len(left)} undecided referrals are missing from the worklist")
    statuses = {one.record_id: _status(one, referred, practices) for one in to_decide}
    return frozenset(
        record for record, now in statuses.items() if now not in UNDECIDED_STATUSES | REJECTED_STATUSES
    )


def acknowledge_flags(pages: PageClient) -> int:
    """Acknowledges flags until the worklist shows none; returns how many."""
    done: set[str] = set()
    while True:
        waiting = [link.href for link in pages.links("/worklist", r"/flags/[^/]+")]
        if not waiting:
            return len(done)
        if done.issuperset(waiting):
            raise PageRefused("an acknowledged flag is still on the worklist")
        for flag in waiting:
            pages.submit(flag, r"/flags/[^/]+/acknowledge", {"action": FLAG_ACTION})
            done.add(flag)


def _decide_on_the_worklist(
    pages: PageClient, left: dict[str, Person], declined: Person | None, progress: ProgressCounter
) -> int:
    """Decides the referrals that the worklist shows, at most fifty at once; returns how many."""
    before = len(left)
    for link in pages.links("/worklist", r"/referrals/[^/]+"):
        number = next((word for word in link.line.split() if word in left), None)
        if number is None:
            continue
        if left.pop(number) == declined:
            letter = pages.submit(link.href, r"/episodes/[^/]+/decline")
            sign_draft(pages, letter, {"stop_reason": DECLINE_REASON})
        else:
            pages.submit(link.href, r"/episodes/[^/]+/accept")
        progress.advance()
    return before - len(left)


def _status(person: Person, referred: Mapping[str, SubmittedReferral], practices: PracticeSystems) -> str:
    return str(practices.for_person(person).read(referred[person.record_id].task)["status"])
