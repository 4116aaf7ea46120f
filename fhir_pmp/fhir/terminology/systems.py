"""Defines the canonical URLs and code systems that we read or write."""

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


class Systems:
    """Our canonical URLs, under the installation's base (an absolute URL without trailing slash)."""

    def __init__(self, base: str) -> None:
        self.base = base
        # Code systems, each with a ValueSet of all its codes.
        self.scales = f"{base}/CodeSystem/scales"  # <instrument>.<scale> and change.<instrument>.<scale>
        self.items = f"{base}/CodeSystem/items"  # link ids
        self.answers = f"{base}/CodeSystem/answers"  # options without a published code: <link id>.<value>
        self.bands = f"{base}/CodeSystem/bands"  # <rule id>.v<version>.<label>
        self.rules = f"{base}/CodeSystem/rules"  # <rule id>.v<version>
        self.timepoints = f"{base}/CodeSystem/timepoints"
        self.verdicts = f"{base}/CodeSystem/verdicts"
        self.parts = (
            f"{base}/CodeSystem/parts"  # the meaning of a component: answered, blanks, prorated, percent, ...
        )
        # Extensions.
        self.timepoint = f"{base}/StructureDefinition/timepoint"  # on QuestionnaireResponse and Observation
        self.programme_timepoint = f"{base}/StructureDefinition/programme-timepoint"  # on EpisodeOfCare
        self.flag_rule = f"{base}/StructureDefinition/flag-rule"  # on Flag: the rule that raised it

    def questionnaire(self, instrument: InstrumentId) -> str:
        """Returns the canonical of an instrument's Questionnaire, without its version."""
        return f"{self.base}/Questionnaire/{instrument}"

    def value_set(self, code_system: str) -> str:
        """Returns the canonical of the ValueSet of all codes of our code system."""
        return code_system.replace("/CodeSystem/", "/ValueSet/", 1)


@lru_cache(maxsize=8)
def systems_of(canonical_base: str) -> Systems:
    """Our canonicals under that base (an absolute URL without a trailing slash)."""
    return Systems(canonical_base)
