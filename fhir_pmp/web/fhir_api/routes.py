"""Every route under /fhir; importing a module of views puts its views on the blueprint."""

from flask import Flask

from fhir_pmp.web.fhir_api import metadata, reading, referring, searching
from fhir_pmp.web.fhir_api.blueprint import fhir_api, know_paths

VIEWS = (metadata, reading, referring, searching)


def install_fhir_api(app: Flask) -> None:
    """Opens the door of EHRs and GP systems."""
    know_paths(app)
    app.register_blueprint(fhir_api)
