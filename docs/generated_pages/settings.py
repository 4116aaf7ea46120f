"""docs/reference/settings.md, from the settings themselves."""

from collections.abc import Iterable

from docs.generated_pages.markdown import code, page, table
from fhir_pmp.settings import SETTINGS, Setting

OPENING = "For operators. Kind: reference."

HOW = """Every setting is an environment variable. `fhir-pmp settings` lists them with the value in force and where it came from
(`environment`, `file`, `default`, `missing`, or `twice` for a secret that is given both ways), and ends with status 1 if one is wrong. A
missing or malformed value, and a variable that begins with `FHIR_PMP_` and is none of these, stops every command by its name. `.env.example` holds
them all."""

SECRET = """A secret may stand in the variable, or in a file that the variable with `_FILE` behind its name points to; not in both. It has at
least 32 bytes and is never shown."""


def settings_page() -> str:
    """The page, whole."""
    required = [setting for setting in SETTINGS if setting.default is None]
    optional = [setting for setting in SETTINGS if setting.default is not None]
    return page(
        "Settings",
        OPENING,
        HOW,
        "## Must be set",
        _required(required),
        SECRET,
        "## May be set",
        _optional(optional),
    )


def _required(settings: Iterable[Setting]) -> str:
    rows = ((code(one.name), one.about, "secret" if one.secret else "") for one in settings)
    return table(("setting", "what it is for", ""), rows)


def _optional(settings: Iterable[Setting]) -> str:
    rows = ((code(one.name), one.about, code(one.default or "") or "empty") for one in settings)
    return table(("setting", "what it is for", "without it"), rows)
