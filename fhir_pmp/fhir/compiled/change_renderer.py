"""Renders changes since baseline from byte templates, equal to the builder's bytes."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import orjson

from fhir_pmp.fhir.compiled.resource_template import ResourceTemplate, build_template, placeholder_moment
from fhir_pmp.fhir.measurement.change_observation import (
    build_change_observation,
    change_status,
    verdict_component,
)
from fhir_pmp.fhir.measurement.observation import ObservationStatus
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.fhir.terminology.local_codes import codes_of
from fhir_pmp.identifiers import PersonId, ResourceId
from fhir_pmp.instruments.change_rules import RuleVerdict
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.pathway.scale_changes import ScaleChange

ChangeRenderer = Callable[[ScaleChange, bool], RenderedResource | None]
"""`build_change_observation` for one clinic; the second argument is `amended`."""

_OWN, _PERSON, _AUTHORED, _BEFORE, _AFTER = "~own~", "~person~", "~authored~", "~before~", "~after~"
_POINTS, _PERCENT = "-90909090.01", "-90909090.02"  # numeric placeholders: no score has such a value
_PLACEHOLDERS = (_OWN, _PERSON, _AUTHORED, _BEFORE, _AFTER, _POINTS, _PERCENT)


def compile_change_renderer(clinic: ClinicalContext) -> ChangeRenderer:
    """Compiles the renderer; the builder makes a template when a shape first occurs."""
    templates: dict[tuple[object, ...], ResourceTemplate] = {}
    written_verdict = _compile_verdicts(clinic)
    provider = f"Organization/{clinic.provider_id()}"

    def render(change: ScaleChange, amended: bool) -> RenderedResource | None:
        if not change.is_publishable:
            return None
        comparison, after = change.comparison, change.after
        status = ObservationStatus.AMENDED if amended else change_status(change)
        shape = (change.instrument, change.scale, change.timepoint, change.baseline)
        key = (*shape, status, after.authored.at is None, comparison.percent_text is None)
        template = templates.get(key)
        if template is None:
            template = templates[key] = _template(clinic, change, amended)
        own = change.id.encode()
        values = (
            own,
            change.person.encode(),
            orjson.dumps(after.authored.text)[1:-1],
            change.before_score_id.encode(),
            change.after_score_id.encode(),
            comparison.points_text.encode(),
            (comparison.percent_text or "").encode(),
        )
        tail = template.text % template.order_values(values)
        verdicts = b"".join([written_verdict(verdict) for verdict in comparison.confirmed])
        before, later = "Observation/" + change.before_score_id, "Observation/" + change.after_score_id
        return RenderedResource(
            "Observation",
            change.id,
            b'{"resourceType":"Observation","id":"%b",' % own,
            # The components end the resource, and the verdicts end the components.
            b"%b%b]}" % (tail[:-2], verdicts),
            Sharing.RECORD,
            change.person,
            change.episode,
            None,
            after.authored.text,
            (("identifier", template.identifier_system, change.id),) + template.tokens,
            ("Patient/" + change.person, provider, before, later),
        )

    return render


def _template(clinic: ClinicalContext, change: ScaleChange, amended: bool) -> ResourceTemplate:
    authored = placeholder_moment(_AUTHORED, change.after.authored.at is None)
    percent = None if change.comparison.percent_text is None else _PERCENT
    with_placeholders = replace(
        change,
        id=ResourceId(_OWN),
        person=PersonId(_PERSON),
        after=msgspec.structs.replace(change.after, person=PersonId(_PERSON), authored=authored),
        before_score_id=ResourceId(_BEFORE),
        after_score_id=ResourceId(_AFTER),
        comparison=replace(change.comparison, points_text=_POINTS, percent_text=percent, verdicts=()),
    )
    rendered = build_change_observation(clinic, with_placeholders, amended=amended)
    assert rendered is not None  # render() calls this for publishable changes only
    return build_template(rendered, _PLACEHOLDERS)


def _compile_verdicts(clinic: ClinicalContext) -> Callable[[RuleVerdict], bytes]:
    codes = codes_of(clinic)
    written: dict[tuple[object, ...], bytes] = {}

    def verdict(rule_verdict: RuleVerdict) -> bytes:
        rule = rule_verdict.rule.rule
        key = (rule.rule_id, rule.version, rule_verdict.verdict, rule_verdict.grade, rule_verdict.reason)
        found = written.get(key)
        if found is None:
            found = written[key] = b"," + write_canonical(verdict_component(codes, rule_verdict))
        return found

    return verdict
