"""Responses that a platform sends are recorded in one transaction with their answers, in the function imports use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.intake.arrivals import Fate
from fhir_pmp.intake.responses import record_responses
from fhir_pmp.store import Books
from fhir_pmp.web.access.auditing import note_persons
from fhir_pmp.web.desk import desk
from fhir_pmp.web.programme_api.blueprint import own_source, source
from fhir_pmp.web.programme_api.first_answers import Answer, FirstAnswers, Said
from fhir_pmp.web.programme_api.response_schemas import arrived_response, taken_response


@dataclass(frozen=True, slots=True)
class Sent:
    """One response: the platform's id of it, what it says, and how it was written."""

    own_id: str
    said: Mapping[str, Any]
    raw: Mapping[str, Any]


def record_sent(each: Sequence[Sent]) -> list[Answer | FhirPmpError]:
    """What each comes to, in order: its answer, or why it was refused."""
    here = desk()
    abouts = [Said.of(f"response/{one.own_id}", one.raw) for one in each]
    with here.store.begin() as books:
        now, first = here.clock(), FirstAnswers(books, own_source())
        _note_whose(books, each)
        before = first.find_many(abouts)
        # What was said before and does not amend is not looked at again: it is answered as it was.
        due = [at for at, one in enumerate(each) if one.said["amends"] or abouts[at] not in before]
        arrivals = [arrived_response(own_source(), source(), each[at].own_id, each[at].said) for at in due]
        receipts = dict(
            zip(due, record_responses(books, here.clinic, here.publisher, arrivals, now), strict=True)
        )
        came_to: list[Answer | FhirPmpError] = []
        new: dict[Said, Answer] = {}
        for at, (one, about) in enumerate(zip(each, abouts, strict=True)):
            receipt, known = receipts.get(at), before.get(about) or new.get(about)
            if receipt is not None and receipt.refusal is not None:
                came_to.append(receipt.refusal)
            elif receipt is None or (receipt.fate is Fate.REPEATED and known is not None):
                came_to.append(known or before[about])
            else:
                came_to.append(new.setdefault(about, taken_response(one.own_id, receipt)))
        first.keep(new, now=now)
    return came_to


def _note_whose(books: Books, each: Sequence[Sent]) -> None:
    found = books.episodes.find_by_enrolments(source(), [one.said["enrolment"] for one in each])
    note_persons(episode.person for episode in found.values())
