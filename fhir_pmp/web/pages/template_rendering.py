"""Renders the pages' templates: own ones with nothing left undefined, the design system's macros apart from them."""

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
    """The design system's components, each called with its parameters: `nhs.button({"text": "Save"})`."""

    def __init__(self) -> None:
        # They read parameters that were not given; in our own templates that would be a mistake.
        self._environment = Environment(
            loader=PackageLoader("nhsuk_frontend_jinja"), autoescape=True, undefined=ChainableUndefined
        )

    def __getattr__(self, name: str) -> Any:
        file = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
        module = self._environment.get_template(f"nhsuk/components/{file}/macro.jinja").module
        macro = getattr(module, name)
        return lambda parameters: Markup(str(macro(parameters)).strip())


def render_template(template: str, **values: Any) -> str:
    """The template with these values. Raises jinja2.UndefinedError for one that is missing."""
    return _environment().get_template(template).render(**values)


@cache
def static_version(name: str) -> str:
    """What changes with a static file, so that a browser may keep it as long as it likes."""
    return sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def static_url(name: str) -> str:
    """The address of a static file in its present version."""
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
