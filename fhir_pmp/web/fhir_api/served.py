"""What this API serves: which types can be searched by what. The CapabilityStatement states exactly this."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fhir_pmp.fhir.capability_statement import ServedType


class Kind(StrEnum):
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
        told = {Kind.CANONICAL: "reference", Kind.ID: "token", Kind.UPDATED: "date"}
        return told.get(self, self.value)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter; `stored` is the name its search keys are kept under."""

    name: str
    kind: Kind

    @property
    def sorts(self) -> bool:
        """Whether `_sort` may name it."""
        return self.kind in (Kind.DATE, Kind.UPDATED)


_EVERY = (Parameter("_id", Kind.ID), Parameter("_lastUpdated", Kind.UPDATED))
_IDENTIFIER = Parameter("identifier", Kind.TOKEN)
_STATUS = Parameter("status", Kind.TOKEN)
_PERSON = (Parameter("patient", Kind.PERSON), Parameter("subject", Kind.PERSON))
_DEFINITION = (Parameter("url", Kind.URI), Parameter("version", Kind.TOKEN))

SEARCHED: Mapping[str, Mapping[str, Parameter]] = {
    kind: {parameter.name: parameter for parameter in (*parameters, *_EVERY)}
    for kind, parameters in {
        "Patient": (_IDENTIFIER,),
        "Questionnaire": _DEFINITION,
        "CodeSystem": _DEFINITION,
        "ValueSet": _DEFINITION,
        "Observation": (
            *_PERSON,
            Parameter("code", Kind.TOKEN),
            Parameter("category", Kind.TOKEN),
            Parameter("date", Kind.DATE),
            _STATUS,
            _IDENTIFIER,
        ),
        "QuestionnaireResponse": (
            *_PERSON,
            Parameter("questionnaire", Kind.CANONICAL),
            Parameter("authored", Kind.DATE),
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

READ_ONLY = ("Bundle", "PractitionerRole")
"""Types of ours that are read by id alone. What came with a referral is read so too, by its sender."""

CONTROLS = frozenset({"_sort", "_count", "_format"})
"""Parameters that shape the answer of a search."""

STATED_ON = "2026-11-22"
"""When what is served last changed: the CapabilityStatement's date."""


def served_types() -> tuple[ServedType, ...]:
    """What the CapabilityStatement states, type by type."""
    searched = tuple(
        ServedType(kind, _interactions(kind), tuple((p.name, p.kind.fhir) for p in parameters.values()))
        for kind, parameters in SEARCHED.items()
    )
    return searched + tuple(ServedType(kind, ("read", "vread")) for kind in READ_ONLY)


def _interactions(kind: str) -> tuple[str, ...]:
    return ("read", "vread", "update", "search-type") if kind == "Task" else ("read", "vread", "search-type")
