"""Registers the monitoring views in the app."""

from flask import Flask

from fhir_pmp.web.monitoring import health, metrics
from fhir_pmp.web.monitoring.blueprint import monitoring

VIEW_MODULES = (health, metrics)
"""The modules that add their views to the blueprint when they are imported."""


def install_monitoring(app: Flask) -> None:
    """Registers the monitoring blueprint."""
    app.register_blueprint(monitoring)
