"""Every canonical and code system that we read or write, spelt once."""

from dataclasses import dataclass, field
from functools import lru_cache

from fhir_pmp.identifiers import InstrumentId

FHIR_JSON = "application/fhir+json"

LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"

OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
DATA_ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
OBSERVATION_INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
FLAG_CATEGORY = "http://terminology.hl7.org/CodeSystem/flag-category"
PARTICIPATION_TYPE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"

# Australian identifiers (AU Base).
AU_IHI = "http://ns.electronichealth.net.au/id/hi/ihi/1.0"
AU_MEDICARE = "http://ns.electronichealth.net.au/id/medicare-number"
AU_DVA = "http://ns.electronichealth.net.au/id/dva"

# Extensions of FHIR itself.
ITEM_WEIGHT = "http://hl7.org/fhir/StructureDefinition/itemWeight"
ORDINAL_VALUE = "http://hl7.org/fhir/StructureDefinition/ordinalValue"  # itemWeight's name before R5
MIN_VALUE = "http://hl7.org/fhir/StructureDefinition/minValue"
MAX_VALUE = "http://hl7.org/fhir/StructureDefinition/maxValue"
QUESTIONNAIRE_UNIT = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit"
FLAG_DETAIL = "http://hl7.org/fhir/StructureDefinition/flag-detail"

_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
CALCULATED_EXPRESSION = _SDC + "calculatedExpression"
OBSERVATION_EXTRACT = _SDC + "observationExtract"
OBSERVATION_EXTRACT_CATEGORY = _SDC + "observation-extract-category"


@dataclass(frozen=True, slots=True)
class Systems:
    """Our own canonicals, which hang from the installation's canonical base."""

    base: str

    # Code systems, each with a ValueSet of all its codes.
    scales: str = field(init=False)  # <instrument>.<scale> and change.<instrument>.<scale>
    items: str = field(init=False)  # link ids
    answers: str = field(init=False)  # options that have no published code: <link id>.<value>
    bands: str = field(init=False)  # <rule id>.v<version>.<label>
    rules: str = field(init=False)  # <rule id>.v<version>
    timepoints: str = field(init=False)
    verdicts: str = field(init=False)
    parts: str = field(init=False)  # what our components say: answered, blanks, prorated, percent, baseline

    # Extensions.
    timepoint: str = field(init=False)  # valueCoding, on QuestionnaireResponse and Observation
    programme_timepoint: str = field(init=False)  # on EpisodeOfCare: which timepoint, when it is due
    flag_rule: str = field(init=False)  # valueCoding: the rule that raised a Flag

    # Identifier systems: the business keys of what we publish.
    response_key: str = field(init=False)
    score_key: str = field(init=False)
    change_key: str = field(init=False)
    flag_key: str = field(init=False)
    letter_key: str = field(init=False)
    letter_bundle_key: str = field(init=False)
    episode_key: str = field(init=False)
    person_key: str = field(init=False)
    referral_number: str = field(init=False)

    def __post_init__(self) -> None:
        for name in ("scales", "items", "answers", "bands", "rules", "timepoints", "verdicts", "parts"):
            object.__setattr__(self, name, f"{self.base}/CodeSystem/{name}")
        for name in ("timepoint", "programme_timepoint", "flag_rule"):
            object.__setattr__(self, name, f"{self.base}/StructureDefinition/{name.replace('_', '-')}")
        for name in (
            *("response_key", "score_key", "change_key", "flag_key", "letter_key", "letter_bundle_key"),
            *("episode_key", "person_key", "referral_number"),
        ):
            object.__setattr__(self, name, f"{self.base}/sid/{name.removesuffix('_key').replace('_', '-')}")

    def questionnaire(self, instrument: InstrumentId) -> str:
        """The canonical of an instrument's Questionnaire, without its version."""
        return f"{self.base}/Questionnaire/{instrument}"

    def value_set(self, code_system: str) -> str:
        """The canonical of the ValueSet that holds all codes of one of our code systems."""
        return code_system.replace("/CodeSystem/", "/ValueSet/", 1)


@lru_cache(maxsize=8)
def systems_of(canonical_base: str) -> Systems:
    """Our canonicals under that base (an absolute URL without a trailing slash)."""
    return Systems(canonical_base)
