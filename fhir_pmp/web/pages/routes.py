"""Registers the pages in the app."""

from flask import Flask, Response, redirect, send_from_directory, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.pages import (
    attachments,
    decisions,
    deliveries,
    flags,
    letter_signing,
    letters,
    login,
    people,
    person,
    referrals,
    work_items,
    worklist,
)
from fhir_pmp.web.pages.blueprint import pages, staff_may_read
from fhir_pmp.web.pages.page_layout import render_page
from fhir_pmp.web.pages.template_rendering import STATIC

VIEW_MODULES = (
    attachments,
    decisions,
    deliveries,
    flags,
    letter_signing,
    letters,
    login,
    people,
    person,
    referrals,
    work_items,
    worklist,
)
"""The modules that add their views to the blueprint when they are imported."""

STATIC_CACHE_SECONDS = 3600


def install_pages(app: Flask) -> None:
    """Registers the blueprint with every page."""
    app.register_blueprint(pages)


@pages.get("/")
@staff_may_read
def home() -> ResponseReturnValue:
    """Redirects to the worklist."""
    return redirect(url_for("pages.worklist"), 303)


@pages.get("/static/<path:name>")
@allow(CallerKind.ANYONE, audited=False)
def static_file(name: str) -> Response:
    """Returns a style sheet, script or icon; no personal data."""
    return send_from_directory(STATIC, name, max_age=STATIC_CACHE_SECONDS)


@pages.get("/intended-use")
@staff_may_read
def intended_use() -> str:
    """Shows the intended use of the pages and its limits."""
    return render_page("intended_use.html", title="What these pages are for")
