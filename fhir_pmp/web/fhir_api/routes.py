"""Every route under /fhir; importing a module of views puts its views on the blueprint."""

from flask import Flask

from fhir_pmp.web.fhir_api import metadata, read_views, referral_views, search_views
from fhir_pmp.web.fhir_api.blueprint import add_url_converters, fhir_api

VIEW_MODULES = (metadata, read_views, referral_views, search_views)


def install_fhir_api(app: Flask) -> None:
    """Opens the door of EHRs and GP systems."""
    add_url_converters(app)
    app.register_blueprint(fhir_api)
