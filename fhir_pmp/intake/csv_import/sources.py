"""Describes one platform's export: which columns hold people, lessons and answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from fhir_pmp.identifiers import SourceId, TimepointId


class Shape(StrEnum):
    """The two shapes an export comes in."""

    WIDE = "wide"
    LONG = "long"


class Precision(StrEnum):
    """How exactly a platform knows when an answer was given."""

    DATE = "date"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class Source:
    """One source of exports, as its mapping file states it.

    Column names are the platform's; the values that they map to are ours.
    """

    id: SourceId
    version: str
    title: str
    shape: Shape
    zone: ZoneInfo
    precision: Precision
    enrolments_of: SourceId  # the source whose enrolment ids it uses; its own, or another's
    columns: Mapping[str, str]
    lesson_columns: tuple[str, ...]
    identifiers: Mapping[str, str]  # column -> identifier system
    practice_system: str | None
    practitioner_system: str | None
    timepoints: Mapping[str, TimepointId]
    values: Mapping[str, Mapping[str, object]]
    date_suffix: str
    amends_suffix: str
    amends_when: str
    ignored: frozenset[str]  # columns of the export that the import skips
