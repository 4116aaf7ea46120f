"""What lesson and ending have in common: one more thing is said of a known enrolment, and answered once."""

from collections.abc import Callable
from datetime import datetime

from flask import Response

from fhir_pmp.identifiers import SourceId
from fhir_pmp.intake.arrivals import Fate, Receipt
from fhir_pmp.intake.restating import find_enrolment
from fhir_pmp.store import Books
from fhir_pmp.web.access.auditing import note_persons
from fhir_pmp.web.desk import desk
from fhir_pmp.web.programme_api.enrolment_schemas import taken_answer
from fhir_pmp.web.programme_api.first_answers import FirstAnswers, Said
from fhir_pmp.web.programme_api.refusals import of_enrolment, refuse


def say_more(
    whose: SourceId,
    enrolment: str,
    about: Said,
    *,
    amends: bool,
    record: Callable[[Books, datetime], Receipt],
) -> Response:
    """Records it in one transaction with its answer. Raises EnrolmentUnknown, and what `record` raises."""
    here = desk()
    with here.store.begin() as books:
        now, first = here.clock(), FirstAnswers(books, whose)
        note_persons([find_enrolment(books, whose, enrolment).person])
        before = first.find(about)
        if before is not None and not amends:
            return before.response()
        receipt = record(books, now)
        if receipt.refusal is None:
            said = taken_answer(receipt, find_enrolment(books, whose, enrolment))
            answer = before if before is not None and receipt.fate is Fate.REPEATED else said
            first.keep({about: answer}, now=now)
    return refuse(receipt.refusal, of_enrolment) if receipt.refusal is not None else answer.response()
