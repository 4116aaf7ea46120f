"""Makes our own codes, where no published terminology has one."""

import re
from enum import StrEnum
from functools import lru_cache

from fhir_pmp.fhir.terminology.systems import Systems, systems_of
from fhir_pmp.instruments.definition import Band, BandSet, Coding, Instrument, Item, Option, Rule, Scale
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.programme.definition import Timepoint


class ComponentCode(StrEnum):
    """The meaning of a component of our Observations."""

    ANSWERED = "items-answered"
    BLANK = "items-blank"
    PRORATED = "prorated"
    BLANKS_RULE = "blanks-rule"
    ANSWER_VALUE = "answer-value"
    BASELINE = "baseline-timepoint"
    PERCENT = "percent-change"


COMPONENT_DISPLAYS = {
    ComponentCode.ANSWERED: "Items answered",
    ComponentCode.BLANK: "Items left blank",
    ComponentCode.PRORATED: "Score is prorated for blank items",
    ComponentCode.BLANKS_RULE: "Rule applied to blank items",
    ComponentCode.ANSWER_VALUE: "Value of the answer",
    ComponentCode.BASELINE: "Timepoint of the baseline",
    ComponentCode.PERCENT: "Change in percent of the baseline",
}

VERDICT_DISPLAYS = {
    "improved": "Improved",
    "unchanged": "Unchanged",
    "worsened": "Worsened",
    "not_assessable": "Not assessable",
}


class LocalCodes:
    """Makes the codings of one installation."""

    def __init__(self, systems: Systems) -> None:
        self.systems = systems

    def questionnaire(self, instrument: Instrument) -> Coding:
        """Returns the code of an instrument."""
        return Coding(self.systems.scales, str(instrument.id), instrument.title)

    def scale(self, instrument: Instrument, scale: Scale) -> Coding:
        """Returns the code of a scale's score."""
        return Coding(self.systems.scales, f"{instrument.id}.{scale.id}", scale.title)

    def change(self, instrument: Instrument, scale: Scale) -> Coding:
        """Returns the code of the change of a scale's score since the baseline."""
        title = f"Change since baseline: {scale.title}"
        return Coding(self.systems.scales, f"change.{instrument.id}.{scale.id}", title)

    def item(self, instrument: Instrument, item: Item) -> Coding:
        """Returns the code of an item."""
        return Coding(self.systems.items, str(item.link_id), f"{instrument.title}: {item.label}")

    def answer(self, item: Item, option: Option) -> Coding:
        """Returns the code of an offered answer: the published code if there is one."""
        if option.codings:
            return option.codings[0]
        return Coding(self.systems.answers, f"{item.link_id}.{option.value}", option.label)

    def band(self, bands: BandSet, band: Band) -> Coding:
        """Returns the code of a severity band, with the version of its rule."""
        code = f"{rule_code(bands.rule)}.{re.sub('[^a-z0-9]+', '-', band.label.lower()).strip('-')}"
        return Coding(self.systems.bands, code, band.label)

    def rule(self, rule: Rule) -> Coding:
        """Returns the code of one version of a rule."""
        return Coding(self.systems.rules, rule_code(rule), f"{rule.rule_id}, version {rule.version}")

    def timepoint(self, timepoint: Timepoint) -> Coding:
        """Returns the code of a timepoint."""
        return Coding(self.systems.timepoints, str(timepoint.id), timepoint.title)

    def verdict(self, verdict: str) -> Coding:
        """Returns the code of a rule's verdict on a change."""
        return Coding(self.systems.verdicts, verdict.replace("_", "-"), VERDICT_DISPLAYS[verdict])

    def component_code(self, component_code: ComponentCode) -> Coding:
        """Returns the code of a component's meaning."""
        return Coding(self.systems.parts, component_code.value, COMPONENT_DISPLAYS[component_code])


def codes_of(clinic: ClinicalContext) -> LocalCodes:
    """Our own codes in this clinic's installation."""
    return _codes_under(clinic.ids.canonical_base)


@lru_cache(maxsize=8)
def _codes_under(canonical_base: str) -> LocalCodes:
    return LocalCodes(systems_of(canonical_base))


def rule_code(rule: Rule) -> str:
    """Returns the code text of one version of a rule; every version has its own."""
    return f"{rule.rule_id}.v{rule.version}"
