"""The blueprint the watching views stand in."""

from flask import Blueprint

monitoring = Blueprint("monitoring", __name__)
