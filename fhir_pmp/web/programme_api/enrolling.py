"""PUT /programme/enrolments/{enrolment}: a person is enrolled, or what is known of the enrolment is amended."""

from typing import Any

from flask import Response

from fhir_pmp.intake.arrivals import Fate
from fhir_pmp.intake.enrolments import record_enrolments
from fhir_pmp.web.access.auditing import note_persons
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.programme_api.blueprint import address, also_gives, gives, sent, source, takes
from fhir_pmp.web.programme_api.enrolment_schemas import (
    EnrolmentSchema,
    TakenSchema,
    arrived_enrolment,
    taken_answer,
)
from fhir_pmp.web.programme_api.first_answers import FirstAnswers, Said
from fhir_pmp.web.programme_api.refusals import of_enrolment, refuse
from fhir_pmp.web.programme_api.schemas import ErrorSchema


@address("PUT", "/enrolments/<own_id:enrolment>")
@may(Visitor.PLATFORM)
@takes(EnrolmentSchema)
@gives(201, TakenSchema, "The person is enrolled")
@also_gives(200, TakenSchema, "It was said before, or it amends what was")
@also_gives(409, ErrorSchema, "Other content is recorded under this id, or its referral is not accepted yet")
def enrol(said: dict[str, Any], enrolment: str) -> Response:
    """Enrol a person, under the platform's own id of the enrolment.

    The same again is answered as it was the first time. Other content under the same id is 409 unless `amends` is true.
    An enrolment that names a referral nobody has accepted yet is 409 until a clinician accepts it: send it again then.
    """
    here, whose = desk(), source()
    about = Said.of(f"enrolment/{enrolment}", sent())
    with here.store.begin() as books:
        now, first = here.clock(), FirstAnswers(books, whose)
        before = first.find(about)
        known = books.episodes.find_by_enrolment(whose, enrolment)
        if known is not None:
            note_persons([known.person])
        if before is not None and not said["amends"]:
            return before.response()
        arrival = arrived_enrolment(whose, enrolment, said, known)
        (receipt,) = record_enrolments(books, here.clinic, here.publisher, [arrival], now)
        if receipt.refusal is None:
            episode = books.episodes.find_by_enrolment(whose, enrolment)
            assert episode is not None  # it was recorded just now
            note_persons([episode.person])
            again = before is not None and receipt.fate is Fate.REPEATED
            answer = before if again and before is not None else taken_answer(receipt, episode)
            first.keep({about: answer}, now=now)
    # After the commit: a refusal may have put a line on the worklist.
    return refuse(receipt.refusal, of_enrolment) if receipt.refusal is not None else answer.response()
