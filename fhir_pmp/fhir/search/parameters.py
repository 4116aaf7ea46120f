"""Lists all search parameters, for the stored search keys and for the API's search.

`search_keys` reads tokens and dates by this table; the API's search and its CapabilityStatement follow the same
entries. To add a parameter, add one entry. Already published versions keep the keys they were published with: an
element outside `EVERY_TYPE` is found in versions that are published after the entry was added.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Element(StrEnum):
    """The FHIR data type of the element that a parameter searches.

    It decides how a search value is read.
    """

    IDENTIFIER = "Identifier"  # [system|]value
    CONCEPT = "CodeableConcept"  # [system|]code, of a CodeableConcept or a Coding
    TEXT = "string"  # a code or string without a system
    URI = "uri"  # compared whole
    CANONICAL = "canonical"  # url or url|version
    PATIENT = "Reference"  # a Patient: searched by the person a version was published for, no token is stored
    DATE = "dateTime"  # the clinical date: one for each type, with a comparison prefix
    ID = "id"  # the resource's own id
    UPDATED = "instant"  # meta.lastUpdated

    @property
    def search_type(self) -> str:
        """The search parameter type of FHIR: `token`, `date`, `reference` or `uri`."""
        return _SEARCH_TYPES.get(self, "token")

    @property
    def is_sortable(self) -> bool:
        """Whether `_sort` may name a parameter of this element."""
        return self in (Element.DATE, Element.UPDATED)


_SEARCH_TYPES = {
    Element.URI: "uri",
    Element.CANONICAL: "reference",
    Element.PATIENT: "reference",
    Element.DATE: "date",
    Element.UPDATED: "date",
}


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """One search parameter of one resource type."""

    name: str  # as FHIR names it: `code`, `authored`
    element: Element
    path: str  # from the resource's root, members separated by dots: `period.start`
    not_served: str | None = None  # why the API does not search by it although its keys are stored
    members: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The path as the names of the members that lead to the element; computed once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.path.split(".")))


_RELAYED = "Stored for every type, relayed ones too, so that serving it later needs no new version."
_BY_DATE = "Stored as the clinical date; no client has asked to search this type by it."

_IDENTIFIER = SearchParameter("identifier", Element.IDENTIFIER, "identifier")
_STATUS = SearchParameter("status", Element.TEXT, "status")
_PATIENT = SearchParameter("patient", Element.PATIENT, "subject")
_SUBJECT = SearchParameter("subject", Element.PATIENT, "subject")
_DEFINITION = (
    SearchParameter("url", Element.URI, "url"),
    SearchParameter("version", Element.TEXT, "version"),
)
_EVERY_SEARCHED_TYPE = (
    SearchParameter("_id", Element.ID, "id"),
    SearchParameter("_lastUpdated", Element.UPDATED, "meta.lastUpdated"),
)

EVERY_TYPE: Sequence[SearchParameter] = (
    SearchParameter("identifier", Element.IDENTIFIER, "identifier", _RELAYED),
    SearchParameter("code", Element.CONCEPT, "code", _RELAYED),
    SearchParameter("category", Element.CONCEPT, "category", _RELAYED),
    SearchParameter("type", Element.CONCEPT, "type", _RELAYED),
    SearchParameter("status", Element.TEXT, "status", _RELAYED),
    SearchParameter("url", Element.URI, "url", _RELAYED),
    SearchParameter("version", Element.TEXT, "version", _RELAYED),
    SearchParameter("questionnaire", Element.CANONICAL, "questionnaire", _RELAYED),
    SearchParameter("gender", Element.TEXT, "gender", _RELAYED),
    SearchParameter("birthDate", Element.TEXT, "birthDate", "FHIR names it `birthdate` and compares dates."),
)
"""Stored for each resource that has the element, in this order. A type's own entry of the same name replaces one."""

SEARCH_PARAMETERS: Mapping[str, Sequence[SearchParameter]] = {
    "Patient": (_IDENTIFIER,),
    "Questionnaire": _DEFINITION,
    "CodeSystem": _DEFINITION,
    "ValueSet": _DEFINITION,
    "Observation": (
        _PATIENT,
        _SUBJECT,
        SearchParameter("code", Element.CONCEPT, "code"),
        SearchParameter("category", Element.CONCEPT, "category"),
        SearchParameter("date", Element.DATE, "effectiveDateTime"),
        _STATUS,
        _IDENTIFIER,
    ),
    "QuestionnaireResponse": (
        _PATIENT,
        _SUBJECT,
        SearchParameter("questionnaire", Element.CANONICAL, "questionnaire"),
        SearchParameter("authored", Element.DATE, "authored"),
        _STATUS,
        _IDENTIFIER,
    ),
    "ServiceRequest": (
        _PATIENT,
        _SUBJECT,
        SearchParameter("authored", Element.DATE, "authoredOn", _BY_DATE),
        _IDENTIFIER,
        _STATUS,
    ),
    "Task": (
        SearchParameter("patient", Element.PATIENT, "for"),
        SearchParameter("authored-on", Element.DATE, "authoredOn", _BY_DATE),
        _IDENTIFIER,
        _STATUS,
    ),
    "DocumentReference": (
        _PATIENT,
        _SUBJECT,
        SearchParameter("date", Element.DATE, "date", _BY_DATE),
        _IDENTIFIER,
        _STATUS,
    ),
    "EpisodeOfCare": (
        SearchParameter("patient", Element.PATIENT, "patient"),
        SearchParameter("date", Element.DATE, "period.start", _BY_DATE),
        _IDENTIFIER,
        _STATUS,
    ),
    "Flag": (
        _PATIENT,
        _SUBJECT,
        SearchParameter("date", Element.DATE, "period.start", _BY_DATE),
        _IDENTIFIER,
    ),
    "Organization": (_IDENTIFIER,),
    "Practitioner": (_IDENTIFIER,),
    "Bundle": (SearchParameter("timestamp", Element.DATE, "timestamp", _BY_DATE),),
}
"""By resource type, in the order in which the CapabilityStatement states them."""


class SearchTable:
    """Gives the stored and the served search parameters of each resource type.

    Raises ValueError if a type has two parameters of one name, or two dates.
    """

    def __init__(
        self,
        by_type: Mapping[str, Sequence[SearchParameter]],
        every_type: Sequence[SearchParameter] = EVERY_TYPE,
    ) -> None:
        for type, parameters in by_type.items():
            _check(type, parameters)
        self._every_type = _stored(every_type)
        self._stored = {
            # A replaced entry keeps its position: the order of stored tokens is part of the published rows.
            type: _stored({p.name: p for p in (*every_type, *parameters)}.values())
            for type, parameters in by_type.items()
        }
        self._dates = {
            type: p.members
            for type, parameters in by_type.items()
            for p in parameters
            if p.element is Element.DATE
        }
        self.served: Mapping[str, Mapping[str, SearchParameter]] = {
            type: {p.name: p for p in (*served, *_EVERY_SEARCHED_TYPE)}
            for type, parameters in by_type.items()
            if (served := [p for p in parameters if p.not_served is None])
        }
        """By resource type, then by name: what the API searches by."""

    def stored(self, type: str) -> Sequence[SearchParameter]:
        """Returns the parameters whose tokens are stored for a type, in stored order."""
        return self._stored.get(type, self._every_type)

    def date_path(self, type: str) -> tuple[str, ...] | None:
        """Returns the path of member names to a type's clinical date; None without one."""
        return self._dates.get(type)


_WITHOUT_TOKENS = (Element.PATIENT, Element.DATE, Element.ID, Element.UPDATED)


def _stored(parameters: Iterable[SearchParameter]) -> tuple[SearchParameter, ...]:
    return tuple(p for p in parameters if p.element not in _WITHOUT_TOKENS)


def _check(type: str, parameters: Sequence[SearchParameter]) -> None:
    names = [p.name for p in parameters]
    if len(set(names)) < len(names):
        raise ValueError(f"{type}: a search parameter is entered twice")
    if [p.element for p in parameters].count(Element.DATE) > 1:
        raise ValueError(f"{type}: a version keeps one clinical date, so one date parameter can be entered")


SEARCH_TABLE = SearchTable(SEARCH_PARAMETERS)
"""The table that publishing and the API use."""
