"""The blueprint under /fhir, and what a resource type and an id look like in a path."""

from flask import Blueprint, Flask
from werkzeug.routing import BaseConverter

PREFIX = "/fhir"

fhir_api = Blueprint("fhir_api", __name__, url_prefix=PREFIX)


class TypeConverter(BaseConverter):
    """A FHIR resource type; anything else is no address of ours."""

    regex = r"[A-Z][A-Za-z]{1,63}"


class IdConverter(BaseConverter):
    """A FHIR id."""

    regex = r"[A-Za-z0-9.\-]{1,64}"


class VersionConverter(BaseConverter):
    """A version of ours: 1, 2, …"""

    regex = r"[1-9][0-9]{0,8}"


def add_url_converters(app: Flask) -> None:
    """Lets rules say `<fhir_type:…>`, `<fhir_id:…>`, `<fhir_version:…>`. Call it before the blueprint is registered."""
    app.url_map.converters |= {
        "fhir_type": TypeConverter,
        "fhir_id": IdConverter,
        "fhir_version": VersionConverter,
    }
