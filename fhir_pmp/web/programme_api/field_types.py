"""Strict marshmallow field types: each accepts one JSON form and converts nothing."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from fhir_pmp.intake.csv_import.cells import LONGEST_NAME, read_day, read_moment
from fhir_pmp.pathway.facts import Moment

PLATFORM_ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._~\-]{0,63}"
"""The pattern of a platform's id, safe in a URL path."""
_PLAIN = r"^\S(.*\S)?$"
_URI = r"^[A-Za-z][A-Za-z0-9+.\-]*:\S+$"
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_MOMENT = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+\-]\d{2}:\d{2}))?$"

MESSAGES = {"required": "is missing", "null": "is null: leave out what is not known"}


class StrictSchema(Schema):
    """An object with exactly the declared members."""

    error_messages = {"unknown": "is not a field of this object", "type": "is not an object"}

    class Meta:
        """Refuses undeclared members."""

        unknown = RAISE


class PlainText(fields.String):
    """A text of 1 to 200 printable characters without white space at its ends.

    Longer text is refused, never cut.
    """

    default_error_messages = {
        **MESSAGES,
        "invalid": f"is not a text of 1 to {LONGEST_NAME} printable characters without space at its ends",
    }

    def __init__(self, *, pattern: str = _PLAIN, description: str = "", **kwargs: Any) -> None:
        described = {
            "minLength": 1,
            "maxLength": LONGEST_NAME,
            "pattern": pattern,
            "description": description,
        }
        super().__init__(metadata={name: entry for name, entry in described.items() if entry}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
            raise self.make_error("invalid")
        if value != value.strip() or not value.isprintable():
            raise self.make_error("invalid")
        return value


class Uri(PlainText):
    """The system of an identifier: an absolute URI."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(pattern=_URI, **kwargs)
        self.validators = [validate.Regexp(_URI, error="is not an absolute URI")]


class StrictInteger(fields.Integer):
    """A JSON integer: 2, never 2.0, "2" or true."""

    default_error_messages = {**MESSAGES, "invalid": "is not a whole number"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid")
        return value


class StrictBoolean(fields.Boolean):
    """true or false, never 1, "yes" or "true"."""

    default_error_messages = {**MESSAGES, "invalid": "is neither true nor false"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class StrictDate(fields.Field[date]):
    """A date written YYYY-MM-DD."""

    default_error_messages = {**MESSAGES, "invalid": "is not a date written YYYY-MM-DD"}

    def __init__(self, *, description: str = "", **kwargs: Any) -> None:
        described = {"type": "string", "format": "date", "pattern": _DATE, "description": description}
        super().__init__(metadata={name: entry for name, entry in described.items() if entry}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        found = read_day(value) if isinstance(value, str) else None
        if found is None:
            raise self.make_error("invalid")
        return found


class DateOrDateTime(fields.Field[Moment]):
    """A whole date, or a date and time with seconds and offset.

    The value keeps the text as it was written.
    """

    default_error_messages = {
        **MESSAGES,
        "invalid": "is neither a date nor a date and time with seconds and offset (2026-03-01T10:11:12+11:00)",
    }

    def __init__(self, *, description: str = "", **kwargs: Any) -> None:
        super().__init__(
            metadata={"type": "string", "pattern": _MOMENT, "description": description}, **kwargs
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Moment:
        found = read_moment(value) if isinstance(value, str) else None
        if found is None:
            raise self.make_error("invalid")
        return found


class Choice(fields.String):
    """One of the listed words."""

    def __init__(self, words: list[str], **kwargs: Any) -> None:
        offered = f"is none of {', '.join(words)}"
        super().__init__(validate=validate.OneOf(words, error=offered), **kwargs)
        self.error_messages = {**MESSAGES, "invalid": offered}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return value


class StrictObject(fields.Nested):
    """An object described by a schema of this package."""

    default_error_messages = {**MESSAGES, "type": "is not an object"}


class StrictList(fields.List[Any]):
    """A JSON array."""

    default_error_messages = {**MESSAGES, "invalid": "is not an array"}


class StrictMapping(fields.Dict):
    """An object whose member names the caller chooses."""

    default_error_messages: Mapping[str, str] = {**MESSAGES, "invalid": "is not an object"}  # type: ignore[assignment]
