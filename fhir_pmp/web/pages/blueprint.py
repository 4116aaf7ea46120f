"""Defines the blueprint of the pages and the two policies of their views."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint

from fhir_pmp.web.access.policy import CallerKind, allow

View = TypeVar("View", bound=Callable[..., Any])

pages = Blueprint("pages", __name__)


def staff_may_read(view: View) -> View:
    """Allows clinicians and administrators; for views that change nothing."""
    return allow(CallerKind.CLINICIAN, CallerKind.ADMINISTRATOR, action="read")(view)


def clinicians_may_change(view: View) -> View:
    """Allows clinicians only; for views that change something."""
    return allow(CallerKind.CLINICIAN, action="update")(view)
