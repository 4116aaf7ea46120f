"""Puts the watching views into the app."""

from flask import Flask

from fhir_pmp.web.watching import health, metrics
from fhir_pmp.web.watching.blueprint import watching

VIEWS = (health, metrics)
"""The modules whose views stand in the blueprint once they are imported."""


def install_watching(app: Flask) -> None:
    """Registers them."""
    app.register_blueprint(watching)
