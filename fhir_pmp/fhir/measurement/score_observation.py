"""Builds a score's Observation: value or reason of absence, band, blanks and rules."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from orjson import Fragment

from fhir_pmp.fhir.elements.datatypes import concept, data_absent_reason, reference, score_quantity
from fhir_pmp.fhir.elements.element_cache import as_json_text, cached
from fhir_pmp.fhir.measurement.observation import OBSERVATION_STATUS, begin_observation
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, render
from fhir_pmp.fhir.terminology.local_codes import ComponentCode, LocalCodes, codes_of
from fhir_pmp.identifiers import ScaleId
from fhir_pmp.instruments.definition import Band, BandSet, Coding, Instrument, RuleStatus, Scale, Score
from fhir_pmp.instruments.scoring import decimal_text
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Response, Sharing


def build_score_observations(
    clinic: ClinicalContext, response: Response, scores: Iterable[Score]
) -> tuple[RenderedResource, ...]:
    """One Observation for each publishable score, in the order of the scores.

    Raises KeyError for a score of a scale that the instrument does not have.
    """
    instrument = clinic.instruments[response.instrument]
    publishable = [score for score in scores if is_publishable_score(instrument.scale(score.scale), score)]
    published_scales = [score.scale for score in publishable]
    return tuple(build_score_observation(clinic, response, score, published_scales) for score in publishable)


def is_publishable_score(scale: Scale, score: Score) -> bool:
    """Whether the score may be published: it depends on no UNCONFIRMED rule.

    The bands are not considered here: an UNCONFIRMED band is left out of the Observation instead.
    """
    band_rules = {bands.rule.rule_id for bands in scale.band_sets}
    return band_rules.issuperset(score.unconfirmed)


def published_bands(scale: Scale) -> BandSet | None:
    """Returns the published band set; None without one or if its rule is UNCONFIRMED."""
    if scale.band_sets and scale.band_sets[0].rule.status is not RuleStatus.UNCONFIRMED:
        return scale.band_sets[0]
    return None


def score_codings(codes: LocalCodes, instrument: Instrument, scale: Scale) -> tuple[Coding, ...]:
    """Returns the published codes of a scale's score, and our code."""
    return (*scale.codings, codes.scale(instrument, scale))


def build_score_observation(
    clinic: ClinicalContext, response: Response, score: Score, published_scales: Sequence[ScaleId]
) -> RenderedResource:
    """Builds one score's Observation; its members are its sub-scales among `published_scales`."""
    instrument, codes = clinic.instruments[response.instrument], codes_of(clinic)
    scale = instrument.scale(score.scale)
    resource = begin_observation(
        clinic,
        IdKind.SCORE,
        clinic.ids.score_id(response.id, scale.id),
        response,
        status=OBSERVATION_STATUS[response.status],
        codings=score_codings(codes, instrument, scale),
        text=scale.title,
        performer=reference("Patient", response.person),
    )
    shown = (score.published, score.band, score.answered, score.blanks, score.prorated)
    key = ("score", instrument.id, scale.id, shown)
    value_elements, components = cached(clinic, key, lambda: _elements_as_json_text(codes, scale, score))
    resource |= value_elements
    members = [one for one in published_scales if instrument.scale(one).part_of == scale.id]
    if members:
        resource["hasMember"] = [
            reference("Observation", clinic.ids.score_id(response.id, member)) for member in members
        ]
    resource["derivedFrom"] = [reference("QuestionnaireResponse", response.id)]
    resource["component"] = components
    return render(resource, sharing=Sharing.RECORD, person=response.person, episode=response.episode)


def _elements_as_json_text(
    codes: LocalCodes, scale: Scale, score: Score
) -> tuple[dict[str, Fragment], Fragment]:
    value_elements = score_value_elements(codes, scale, score)
    components = score_components(codes, scale, score)
    return {name: as_json_text(one) for name, one in value_elements.items()}, as_json_text(components)


def score_value_elements(codes: LocalCodes, scale: Scale, score: Score) -> dict[str, Any]:
    """Returns the elements from `value` to `referenceRange`: the score and its interpretation."""
    value_elements: dict[str, Any] = {}
    bands = published_bands(scale)
    answered = f"{score.answered} of {len(scale.items)} items answered"
    if score.published is None:
        value_elements["dataAbsentReason"] = data_absent_reason("unknown", f"not scorable: {answered}")
    else:
        value_elements["valueQuantity"] = score_quantity(score.published)
        if bands and score.band is not None:
            band = next(band for band in bands.bands if band.label == score.band)
            value_elements["interpretation"] = [concept([codes.band(bands, band)], band.label)]
        if score.blanks:
            value_elements["note"] = [{"text": f"{answered}; prorated" if score.prorated else answered}]
    value_elements["method"] = concept([codes.rule(scale.rule)])
    if bands and score.published is not None:
        value_elements["referenceRange"] = [reference_range(band) for band in bands.bands]
    return value_elements


def score_components(codes: LocalCodes, scale: Scale, score: Score) -> list[dict[str, Any]]:
    """Returns the counts of answered and blank items, and the blanks rule applied."""
    components = [
        {"code": concept([codes.component_code(ComponentCode.ANSWERED)]), "valueInteger": score.answered},
        {"code": concept([codes.component_code(ComponentCode.BLANK)]), "valueInteger": score.blanks},
        {"code": concept([codes.component_code(ComponentCode.PRORATED)]), "valueBoolean": score.prorated},
    ]
    if score.blanks:
        applied = {"valueCodeableConcept": concept([codes.rule(scale.blanks.rule)])}
        components.append({"code": concept([codes.component_code(ComponentCode.BLANKS_RULE)]), **applied})
    return components


def reference_range(band: Band) -> dict[str, Any]:
    """Builds the reference range of a band.

    A bound that the band excludes is in the text only, because FHIR includes both bounds in the range.
    """
    written: dict[str, Any] = {}
    if band.lowest_included:
        written["low"] = score_quantity(_plain(band.lowest))
    if band.highest_included:
        written["high"] = score_quantity(_plain(band.highest))
    above = "" if band.lowest_included else "above "
    below = "" if band.highest_included else "below "
    written["text"] = f"{band.label}: {above}{_plain(band.lowest)} to {below}{_plain(band.highest)}"
    return written


def _plain(bound: Fraction) -> str:
    return decimal_text(bound, 0) if bound.denominator == 1 else decimal_text(bound, 2)
