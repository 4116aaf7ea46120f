"""Every route under /programme; importing a module of views puts its views on the blueprint."""

from flask import Flask

from fhir_pmp.web.programme_api import (
    ending,
    enrolling,
    enrolment_standing,
    lesson,
    outcomes,
    responding,
    responding_several,
    withdrawal,
)
from fhir_pmp.web.programme_api.description import open_api

VIEWS = (enrolling, enrolment_standing, lesson, ending, responding, responding_several, withdrawal, outcomes)


def install_programme_api(app: Flask) -> None:
    """Opens the door of the programme's platform."""
    open_api(app)
