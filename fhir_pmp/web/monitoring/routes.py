"""Puts the watching views into the app."""

from flask import Flask

from fhir_pmp.web.monitoring import health, metrics
from fhir_pmp.web.monitoring.blueprint import monitoring

VIEW_MODULES = (health, metrics)
"""The modules whose views stand in the blueprint once they are imported."""


def install_monitoring(app: Flask) -> None:
    """Registers them."""
    app.register_blueprint(monitoring)
