"""The pages' blueprint, and who may do what on them."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint

from fhir_pmp.web.access.policy import Visitor, may

View = TypeVar("View", bound=Callable[..., Any])

pages = Blueprint("pages", __name__)


def reads(view: View) -> View:
    """A view for everybody who logs in; it changes nothing."""
    return may(Visitor.CLINICIAN, Visitor.ADMINISTRATOR, action="read")(view)


def decides(view: View) -> View:
    """A view that changes something: clinicians alone."""
    return may(Visitor.CLINICIAN, action="update")(view)
