"""Defines the blueprint of the monitoring views."""

from flask import Blueprint

monitoring = Blueprint("monitoring", __name__)
