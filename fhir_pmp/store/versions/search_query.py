"""Defines a search of published resources and its filters, as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fhir_pmp.identifiers import PersonId, ResourceId


class Prefix(StrEnum):
    """FHIR's comparison prefixes."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    SA = "sa"
    EB = "eb"


class SortKey(StrEnum):
    """What results can be ordered by; ties by id."""

    LAST_UPDATED = "_lastUpdated"
    DATE = "date"  # the clinical date: date, authored


@dataclass(frozen=True, slots=True)
class SpanFilter:
    """A date parameter: the time span of its value, start included, end excluded."""

    prefix: Prefix
    first: datetime
    after: datetime


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """One value of a token parameter: system None is any system, "" is none."""

    system: str | None
    value: str


@dataclass(frozen=True, slots=True)
class TokenFilter:
    """A token parameter: the resource has any of these values under this name."""

    name: str
    choices: tuple[TokenChoice, ...]


@dataclass(frozen=True, slots=True)
class PageKey:
    """The end of a page and the time of the whole listing.

    A link to the next page needs nothing else.
    """

    snapshot: int  # publish clock, milliseconds: the listing is of what was current then
    sorted_by: int  # milliseconds
    id: str


@dataclass(frozen=True, slots=True)
class Search:
    """One search of one resource type; every filter holds."""

    type: str
    ids: tuple[ResourceId, ...] = ()
    person: PersonId | None = None  # the `patient` or `subject` parameter
    tokens: tuple[TokenFilter, ...] = ()
    dates: tuple[SpanFilter, ...] = ()  # the clinical date
    last_updated: tuple[SpanFilter, ...] = ()
    sort: SortKey = SortKey.LAST_UPDATED
    descending: bool = False
    count: int = 50
    after: PageKey | None = None
