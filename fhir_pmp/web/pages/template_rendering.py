"""Renders the pages' Jinja templates and gives them the design system's macros.

An undefined variable in our own templates is an error.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import url_for
from jinja2 import ChainableUndefined, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fhir_pmp.web.access.csrf import csrf_token
from fhir_pmp.web.access.response_headers import csp_nonce
from fhir_pmp.web.pages import display

STATIC = Path(__file__).parent / "static"


class DesignSystemMacros:
    """The macros of the NHS design system, called with their parameters: `nhs.button({"text": "Save"})`."""

    def __init__(self) -> None:
        # These macros read parameters that were not passed, which our own templates must never do.
        self._environment = Environment(
            loader=PackageLoader("nhsuk_frontend_jinja"), autoescape=True, undefined=ChainableUndefined
        )

    def __getattr__(self, name: str) -> Any:
        file = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
        module = self._environment.get_template(f"nhsuk/components/{file}/macro.jinja").module
        macro = getattr(module, name)
        return lambda parameters: Markup(str(macro(parameters)).strip())


def render_template(template: str, **values: Any) -> str:
    """Renders a template. Raises jinja2.UndefinedError where it uses a value that is missing."""
    return _environment().get_template(template).render(**values)


@cache
def static_version(name: str) -> str:
    """Returns a static file's hash, so that browsers may cache each version for long."""
    return sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def static_url(name: str) -> str:
    """Returns the URL of the current version of a static file."""
    return url_for("pages.static_file", name=name, v=static_version(name))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fhir_pmp.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        nhs=DesignSystemMacros(),
        url_for=url_for,
        static_url=static_url,
        csrf_token=csrf_token,
        csp_nonce=csp_nonce,
        display=display,
    )
    return environment
