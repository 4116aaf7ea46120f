"""Registers every route under /programme.

Importing a module of views adds its views to the blueprint.
"""

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
    """Registers the programme API and its OpenAPI description in the app."""
    register_openapi(app)
