"""Checks the dates of an enrolment against each other and against today."""

from datetime import date, datetime

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.intake.arrivals import ArrivedEnrolment, Ending
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.programme.timepoints import EARLIEST_DATE, today


class EnrolmentContradicts(NotUnderstood):
    """What the enrolment says cannot all be true. The platform corrects it."""


def check_enrolment(arrival: ArrivedEnrolment, clinic: ClinicalContext, now: datetime) -> None:
    """Raises EnrolmentContradicts with every date that is in the future or contradicts another."""
    day = today(now, clinic.zone)
    lessons = [(f"lesson_{number}", done) for number, done in arrival.lessons]
    offered = {lesson.number for lesson in clinic.programme.lessons}
    dated: list[tuple[str, date | None]] = [
        ("birth_date", arrival.birth_date),
        ("enrolled_on", arrival.enrolled_on),
        ("started_on", arrival.started_on),
        ("ended_on", arrival.ended_on),
        *lessons,
    ]
    faults = [Fault(name, "lies in the future") for name, on in dated if on is not None and on > day]
    faults += [
        Fault(name, f"lies before {EARLIEST_DATE.year}")
        for name, on in dated
        if on is not None and on < EARLIEST_DATE
    ]
    faults += [
        Fault(f"lesson_{number}", "is no lesson of the programme")
        for number, _ in arrival.lessons
        if number not in offered
    ]
    if len({number for number, _ in arrival.lessons}) != len(arrival.lessons):
        faults.append(Fault("lessons", "name one lesson twice"))
    if arrival.started_on is None and arrival.lessons:
        faults.append(Fault("started_on", "is missing, and lessons were completed"))
    faults += [
        Fault(name, "lies before the start")
        for name, on in lessons
        if on is not None and arrival.started_on is not None and on < arrival.started_on
    ]
    if arrival.ended_on is not None and arrival.ended_how is None:
        faults.append(Fault("ended_how", "is missing, and a day of ending is given"))
    if arrival.ended_how is Ending.NEVER_STARTED and arrival.started_on is not None:
        faults.append(Fault("ended_how", "says never started, and a day of starting is given"))
    if faults:
        raise EnrolmentContradicts(faults=faults)
