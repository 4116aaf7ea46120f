"""The change of a scale since its baseline as Observation: the difference, the percentage, one verdict per rule."""

from typing import Any

from fhir_pmp.fhir.datatypes import absent, concept, number, reference, score_quantity
from fhir_pmp.fhir.local_codes import LocalCodes, Part
from fhir_pmp.fhir.observation import STATUS_OF, ObservationStatus, codes_of, open_observation
from fhir_pmp.fhir.rendered import Rendered, render
from fhir_pmp.fhir.systems import OBSERVATION_INTERPRETATION, UCUM
from fhir_pmp.instruments.change import RuleVerdict, Verdict
from fhir_pmp.instruments.definition import Coding
from fhir_pmp.pathway.clinic import Clinic, Kind
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.pathway.movement import Movement
from fhir_pmp.pathway.outcomes import ScaleChange

INTERPRETATIONS = {
    Verdict.IMPROVED: Coding(OBSERVATION_INTERPRETATION, "B", "Better"),
    Verdict.WORSENED: Coding(OBSERVATION_INTERPRETATION, "W", "Worse"),
}
"""Free of direction, which U and D (up, down) are not. They stand on a rule's component: rules disagree."""


def build_change_observation(
    clinic: Clinic, change: ScaleChange, *, amended: bool = False
) -> Rendered | None:
    """The change, or None where a score it rests on may not leave the house.

    `amended`: it was published before and its ground moved without its later response being amended, as when
    another baseline arrived. A change whose own responses are amended says so by itself.
    """
    if not change.publishable:
        return None
    instrument, codes = clinic.instruments[change.instrument], codes_of(clinic)
    code = codes.change(instrument, instrument.scale(change.scale))
    resource = open_observation(
        clinic,
        Kind.CHANGE,
        change.id,
        change.after,
        status=ObservationStatus.AMENDED if amended else change_status(change),
        codings=[code],
        text=code.display or code.code,
        performer=reference("Organization", clinic.provider_id()),
    )
    resource["valueQuantity"] = score_quantity(change.movement.points_text)
    ends = (change.before_score_id, change.after_score_id)
    resource["derivedFrom"] = [reference("Observation", end) for end in ends]
    baseline = codes.timepoint(clinic.programme.timepoint(change.baseline))
    resource["component"] = [
        {"code": concept([codes.part(Part.BASELINE)]), "valueCodeableConcept": concept([baseline])},
        *movement_components(codes, change.movement),
    ]
    return render(resource, sharing=Sharing.RECORD, person=change.person, episode=change.episode)


def change_status(change: ScaleChange) -> ObservationStatus:
    """Amended where either response is."""
    statuses = (STATUS_OF[change.before.status], STATUS_OF[change.after.status])
    return max(statuses, key=list(ObservationStatus).index)


def movement_components(codes: LocalCodes, movement: Movement) -> list[dict[str, Any]]:
    """The percentage, and the verdict of every rule that is not UNCONFIRMED."""
    percent: dict[str, Any] = {"code": concept([codes.part(Part.PERCENT)])}
    if movement.percent_text is None:
        percent["dataAbsentReason"] = absent("not-applicable", "the baseline is 0")
    else:
        value = number(movement.percent_text)
        percent["valueQuantity"] = {"value": value, "unit": "%", "system": UCUM, "code": "%"}
    return [percent, *(verdict_component(codes, verdict) for verdict in movement.confirmed)]


def verdict_component(codes: LocalCodes, verdict: RuleVerdict) -> dict[str, Any]:
    """One rule's verdict."""
    said = codes.verdict(verdict.verdict.value)
    detail = verdict.grade or verdict.reason
    component: dict[str, Any] = {
        "code": concept([codes.rule(verdict.rule.rule)], verdict.rule.title),
        "valueCodeableConcept": concept([said], f"{said.display}: {detail}" if detail else said.display),
    }
    if verdict.verdict in INTERPRETATIONS:
        component["interpretation"] = [concept([INTERPRETATIONS[verdict.verdict]])]
    return component
