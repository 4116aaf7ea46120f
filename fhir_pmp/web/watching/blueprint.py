"""The blueprint the watching views stand in."""

from flask import Blueprint

watching = Blueprint("watching", __name__)
