"""Reads CSV cells as dates, words and answers.

Faults name the column, never the cell's text, which could be personal data.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache

from fhir_pmp.errors import Fault
from fhir_pmp.pathway.facts import Moment

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})\Z", re.ASCII)
LONGEST_NAME = 200
"""Characters of a name or a reason. Longer is refused, never cut."""


class CellReader:
    """Reads the cells of one row and collects the faults by column."""

    __slots__ = ("_cells", "faults")

    def __init__(self, cells: Mapping[str, str]) -> None:
        self._cells = cells
        self.faults: list[Fault] = []

    def text(self, column: str | None, *, required: bool = False) -> str | None:
        """The text of the cell; None for an empty cell or an absent column."""
        value = self._cells.get(column, "") if column else ""
        if not value:
            if required:
                self.faults.append(Fault(column or "", "is empty and must not be"))
            return None
        if len(value) > LONGEST_NAME or value != value.strip() or not value.isprintable():
            self.faults.append(
                Fault(column or "", f"is longer than {LONGEST_NAME} characters or not plain text")
            )
            return None
        return value

    def day(self, column: str | None, *, required: bool = False) -> date | None:
        """A date written YYYY-MM-DD."""
        value = self.text(column, required=required)
        if value is None:
            return None
        found = read_day(value)
        if found is None:
            self.faults.append(Fault(column or "", "is not a date written YYYY-MM-DD"))
        return found

    def choice(self, column: str | None, offered: Mapping[str, object]) -> object:
        """One of the words that the source's mapping lists for this column."""
        value = self._cells.get(column, "") if column else ""
        if value not in offered:
            self.faults.append(Fault(column or "", f"takes {', '.join(repr(word) for word in offered)}"))
            return None
        return offered[value]


@lru_cache(maxsize=4096)
def read_day(text: str) -> date | None:
    """The calendar day of a text written YYYY-MM-DD, or None."""
    if not _DATE.match(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read_moment(text: str) -> Moment | None:
    """Reads a FHIR dateTime; None for any other text.

    A whole date, or a date and time with seconds and offset.
    """
    day = read_day(text)
    if day is not None:
        return Moment(text, day, None)
    if not _INSTANT.match(text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return Moment(text, at.date(), at)
