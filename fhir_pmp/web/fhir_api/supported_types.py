"""What this API serves: which types can be searched by what. The CapabilityStatement states exactly this."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fhir_pmp.fhir.api_responses.capability_statement import ServedType


class ParameterKind(StrEnum):
    """How the value of a search parameter is read."""

    TOKEN = "token"  # [system|]code, several after commas
    DATE = "date"  # the clinical date, with a comparison prefix
    PERSON = "reference"  # a Patient
    CANONICAL = "canonical"  # url or url|version
    URI = "uri"
    ID = "id"  # _id
    UPDATED = "updated"  # _lastUpdated

    @property
    def fhir(self) -> str:
        """The type FHIR gives the parameter."""
        fhir_types = {
            ParameterKind.CANONICAL: "reference",
            ParameterKind.ID: "token",
            ParameterKind.UPDATED: "date",
        }
        return fhir_types.get(self, self.value)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter; `stored` is the name its search keys are kept under."""

    name: str
    kind: ParameterKind

    @property
    def is_sortable(self) -> bool:
        """Whether `_sort` may name it."""
        return self.kind in (ParameterKind.DATE, ParameterKind.UPDATED)


_COMMON_PARAMETERS = (Parameter("_id", ParameterKind.ID), Parameter("_lastUpdated", ParameterKind.UPDATED))
_IDENTIFIER = Parameter("identifier", ParameterKind.TOKEN)
_STATUS = Parameter("status", ParameterKind.TOKEN)
_PERSON = (Parameter("patient", ParameterKind.PERSON), Parameter("subject", ParameterKind.PERSON))
_DEFINITION = (Parameter("url", ParameterKind.URI), Parameter("version", ParameterKind.TOKEN))

SEARCH_PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    kind: {parameter.name: parameter for parameter in (*parameters, *_COMMON_PARAMETERS)}
    for kind, parameters in {
        "Patient": (_IDENTIFIER,),
        "Questionnaire": _DEFINITION,
        "CodeSystem": _DEFINITION,
        "ValueSet": _DEFINITION,
        "Observation": (
            *_PERSON,
            Parameter("code", ParameterKind.TOKEN),
            Parameter("category", ParameterKind.TOKEN),
            Parameter("date", ParameterKind.DATE),
            _STATUS,
            _IDENTIFIER,
        ),
        "QuestionnaireResponse": (
            *_PERSON,
            Parameter("questionnaire", ParameterKind.CANONICAL),
            Parameter("authored", ParameterKind.DATE),
            _STATUS,
            _IDENTIFIER,
        ),
        "ServiceRequest": (*_PERSON, _IDENTIFIER, _STATUS),
        "Task": (_PERSON[0], _IDENTIFIER, _STATUS),
        "DocumentReference": (*_PERSON, _IDENTIFIER, _STATUS),
        "EpisodeOfCare": (_PERSON[0], _IDENTIFIER, _STATUS),
        "Flag": (*_PERSON, _IDENTIFIER),
        "Organization": (_IDENTIFIER,),
        "Practitioner": (_IDENTIFIER,),
    }.items()
}
"""By resource type, then by parameter name."""

READ_ONLY_TYPES = ("Bundle", "PractitionerRole")
"""Types of ours that are read by id alone. What came with a referral is read so too, by its sender."""

RESULT_PARAMETERS = frozenset({"_sort", "_count", "_format"})
"""Parameters that shape the answer of a search."""

STATEMENT_DATE = "2026-11-22"
"""When what is served last changed: the CapabilityStatement's date."""


def list_supported_types() -> tuple[ServedType, ...]:
    """What the CapabilityStatement states, type by type."""
    searchable = tuple(
        ServedType(kind, _interactions(kind), tuple((p.name, p.kind.fhir) for p in parameters.values()))
        for kind, parameters in SEARCH_PARAMETERS.items()
    )
    return searchable + tuple(ServedType(kind, ("read", "vread")) for kind in READ_ONLY_TYPES)


def _interactions(kind: str) -> tuple[str, ...]:
    return ("read", "vread", "update", "search-type") if kind == "Task" else ("read", "vread", "search-type")
