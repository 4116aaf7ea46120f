"""Generates docs/reference/settings.md from the list of settings."""

from collections.abc import Iterable

from docs.generated_pages.markdown import code, page, table
from fhir_pmp.settings import SETTINGS, Setting

OPENING = "For operators. Kind: reference."

HOW = """Every setting is an environment variable. `fhir-pmp settings` lists them with their effective value and its origin
(`environment`, `file`, `default`, `missing`, or `twice` for a secret that is given both ways), and exits with status 1 if a setting is wrong. A
missing or malformed value stops every command with a message that names the setting, as does an unknown variable that begins with `FHIR_PMP_`.
`.env.example` lists every setting."""

SECRET = """Give a secret either in the variable or in a file named by the variable with `_FILE` appended, not in both. It has at least 32 bytes
and is never shown."""


def settings_page() -> str:
    """Returns the whole page."""
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
    return table(("setting", "purpose", ""), rows)


def _optional(settings: Iterable[Setting]) -> str:
    rows = ((code(one.name), one.about, code(one.default or "") or "empty") for one in settings)
    return table(("setting", "purpose", "default"), rows)
