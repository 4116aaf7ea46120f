"""Registers every route under /fhir.

Importing a module of views adds its views to the blueprint.
"""

from flask import Flask

from fhir_pmp.web.fhir_api import metadata, read_views, referral_views, search_views
from fhir_pmp.web.fhir_api.blueprint import add_url_converters, fhir_api

VIEW_MODULES = (metadata, read_views, referral_views, search_views)


def install_fhir_api(app: Flask) -> None:
    """Registers the FHIR API in the app."""
    add_url_converters(app)
    app.register_blueprint(fhir_api)
