"""Defines the /fhir blueprint and the URL converters for types, ids and versions."""

from flask import Blueprint, Flask
from werkzeug.routing import BaseConverter

PREFIX = "/fhir"

fhir_api = Blueprint("fhir_api", __name__, url_prefix=PREFIX)


class TypeConverter(BaseConverter):
    """A FHIR resource type; any other text in the path gives 404."""

    regex = r"[A-Z][A-Za-z]{1,63}"


class IdConverter(BaseConverter):
    """A FHIR id."""

    regex = r"[A-Za-z0-9.\-]{1,64}"


class VersionConverter(BaseConverter):
    """Matches a version number in a path: 1, 2 and so on."""

    regex = r"[1-9][0-9]{0,8}"


def add_url_converters(app: Flask) -> None:
    """Adds the converters `fhir_type`, `fhir_id` and `fhir_version` to the app.

    Call it before the blueprint is registered.
    """
    app.url_map.converters |= {
        "fhir_type": TypeConverter,
        "fhir_id": IdConverter,
        "fhir_version": VersionConverter,
    }
