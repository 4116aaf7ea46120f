"""Every route under /programme; importing a module of views puts its views on the blueprint."""

from flask import Flask

from fhir_pmp.web.programme_api import (
    enrolment_ending,
    enrolment_status,
    enrolment_submission,
    lesson_completion,
    person_outcomes,
    response_batch_submission,
    response_submission,
    response_withdrawal,
)
from fhir_pmp.web.programme_api.openapi_description import register_openapi

VIEW_MODULES = (
    enrolment_submission,
    enrolment_status,
    lesson_completion,
    enrolment_ending,
    response_submission,
    response_batch_submission,
    response_withdrawal,
    person_outcomes,
)


def install_programme_api(app: Flask) -> None:
    """Opens the door of the programme's platform."""
    register_openapi(app)
