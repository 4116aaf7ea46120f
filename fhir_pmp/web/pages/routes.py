"""Puts the pages into the app."""

from flask import Flask, Response, redirect, send_from_directory, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.pages import (
    attachments,
    decisions,
    deliveries,
    flags,
    letter_signing,
    letters,
    logging_in,
    people,
    person,
    referrals,
    work,
    worklist,
)
from fhir_pmp.web.pages.blueprint import pages, reads
from fhir_pmp.web.pages.frame import page
from fhir_pmp.web.pages.templates import STATIC

VIEWS = (
    attachments,
    decisions,
    deliveries,
    flags,
    letter_signing,
    letters,
    logging_in,
    people,
    person,
    referrals,
    work,
    worklist,
)
"""The modules whose views stand in the blueprint once they are imported."""

SECONDS_KEPT = 3600


def install_pages(app: Flask) -> None:
    """Registers every page."""
    app.register_blueprint(pages)


@pages.get("/")
@reads
def home() -> ResponseReturnValue:
    """The worklist is where a day begins."""
    return redirect(url_for("pages.worklist"), 303)


@pages.get("/static/<path:name>")
@may(Visitor.ANYONE, audited=False)
def static_file(name: str) -> Response:
    """Style sheets, scripts, icons: nobody's data."""
    return send_from_directory(STATIC, name, max_age=SECONDS_KEPT)


@pages.get("/intended-use")
@reads
def intended_use() -> str:
    """What the pages are for, and what they are not."""
    return page("intended_use.html", title="What these pages are for")
