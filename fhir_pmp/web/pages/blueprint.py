"""The pages' blueprint, and who may do what on them."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint

from fhir_pmp.web.access.policy import CallerKind, allow

View = TypeVar("View", bound=Callable[..., Any])

pages = Blueprint("pages", __name__)


def staff_may_read(view: View) -> View:
    """A view for everybody who logs in; it changes nothing."""
    return allow(CallerKind.CLINICIAN, CallerKind.ADMINISTRATOR, action="read")(view)


def clinicians_may_change(view: View) -> View:
    """A view that changes something: clinicians alone."""
    return allow(CallerKind.CLINICIAN, action="update")(view)
