"""Builds the Observation of a scale's change: points, percentage and one verdict per rule."""

from typing import Any

from orjson import Fragment

from fhir_pmp.fhir.elements.datatypes import (
    concept,
    data_absent_reason,
    exact_decimal,
    reference,
    score_quantity,
)
from fhir_pmp.fhir.elements.element_cache import as_json_text, cached
from fhir_pmp.fhir.measurement.observation import OBSERVATION_STATUS, ObservationStatus, begin_observation
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, render
from fhir_pmp.fhir.terminology.local_codes import ComponentCode, LocalCodes, codes_of
from fhir_pmp.fhir.terminology.systems import OBSERVATION_INTERPRETATION, UCUM
from fhir_pmp.instruments.change_rules import RuleVerdict, Verdict
from fhir_pmp.instruments.definition import Coding
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.pathway.scale_changes import ScaleChange
from fhir_pmp.pathway.score_comparison import ScoreComparison

INTERPRETATIONS = {
    Verdict.IMPROVED: Coding(OBSERVATION_INTERPRETATION, "B", "Better"),
    Verdict.WORSENED: Coding(OBSERVATION_INTERPRETATION, "W", "Worse"),
}
"""B and W (better, worse): U and D (up, down) do not tell which is better. On components, as rules may disagree."""


def build_change_observation(
    clinic: ClinicalContext, change: ScaleChange, *, amended: bool = False
) -> RenderedResource | None:
    """Builds the Observation of a change; None if a score may not be published.

    `amended`: the change was published before and is different now although neither response was amended, for example
    because of a new baseline. If a response is amended, the status is amended anyway.
    """
    if not change.is_publishable:
        return None
    instrument, codes = clinic.instruments[change.instrument], codes_of(clinic)
    code = codes.change(instrument, instrument.scale(change.scale))
    resource = begin_observation(
        clinic,
        IdKind.CHANGE,
        change.id,
        change.after,
        status=ObservationStatus.AMENDED if amended else change_status(change),
        codings=[code],
        text=code.display or code.code,
        performer=reference("Organization", clinic.provider_id()),
    )
    resource["valueQuantity"] = score_quantity(change.comparison.points_text)
    score_ids = (change.before_score_id, change.after_score_id)
    resource["derivedFrom"] = [reference("Observation", score_id) for score_id in score_ids]
    baseline = codes.timepoint(clinic.programme.timepoint(change.baseline))
    resource["component"] = [
        {
            "code": concept([codes.component_code(ComponentCode.BASELINE)]),
            "valueCodeableConcept": concept([baseline]),
        },
        _percent_component(codes, change.comparison),
        *(_cached_verdict(clinic, verdict) for verdict in change.comparison.confirmed),
    ]
    return render(resource, sharing=Sharing.RECORD, person=change.person, episode=change.episode)


def change_status(change: ScaleChange) -> ObservationStatus:
    """Returns the status of the Observation: amended if either response is."""
    statuses = (OBSERVATION_STATUS[change.before.status], OBSERVATION_STATUS[change.after.status])
    return max(statuses, key=list(ObservationStatus).index)


def _percent_component(codes: LocalCodes, comparison: ScoreComparison) -> dict[str, Any]:
    percent: dict[str, Any] = {"code": concept([codes.component_code(ComponentCode.PERCENT)])}
    if comparison.percent_text is None:
        percent["dataAbsentReason"] = data_absent_reason("not-applicable", "the baseline is 0")
    else:
        value = exact_decimal(comparison.percent_text)
        percent["valueQuantity"] = {"value": value, "unit": "%", "system": UCUM, "code": "%"}
    return percent


def _cached_verdict(clinic: ClinicalContext, verdict: RuleVerdict) -> Fragment:
    rule = verdict.rule.rule
    key = ("verdict", rule.rule_id, rule.version, verdict.verdict, verdict.grade, verdict.reason)
    return cached(clinic, key, lambda: as_json_text(verdict_component(codes_of(clinic), verdict)))


def verdict_component(codes: LocalCodes, verdict: RuleVerdict) -> dict[str, Any]:
    """Returns one rule's verdict."""
    verdict_coding = codes.verdict(verdict.verdict.value)
    detail = verdict.grade or verdict.reason
    component: dict[str, Any] = {
        "code": concept([codes.rule(verdict.rule.rule)], verdict.rule.title),
        "valueCodeableConcept": concept(
            [verdict_coding], f"{verdict_coding.display}: {detail}" if detail else verdict_coding.display
        ),
    }
    if verdict.verdict in INTERPRETATIONS:
        component["interpretation"] = [concept([INTERPRETATIONS[verdict.verdict]])]
    return component
