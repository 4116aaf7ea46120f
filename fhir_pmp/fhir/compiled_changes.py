"""Changes since baseline as FHIR bytes, equal to what their builder writes and many times faster."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import orjson

from fhir_pmp.fhir.change_observation import build_change_observation, change_status, verdict_component
from fhir_pmp.fhir.json_writer import write_canonical
from fhir_pmp.fhir.observation import ObservationStatus, codes_of
from fhir_pmp.fhir.rendered import Rendered
from fhir_pmp.fhir.template import Template, marked_moment, template_of
from fhir_pmp.identifiers import PersonId, ResourceId
from fhir_pmp.instruments.change import RuleVerdict
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.pathway.outcomes import ScaleChange

ChangeRenderer = Callable[[ScaleChange, bool], Rendered | None]
"""`build_change_observation` for one clinic; the second value is its `amended`."""

_OWN, _PERSON, _AUTHORED, _BEFORE, _AFTER = "~own~", "~person~", "~authored~", "~before~", "~after~"
_POINTS, _PERCENT = "-90909090.01", "-90909090.02"  # marks among numbers: no score comes near
_MARKS = (_OWN, _PERSON, _AUTHORED, _BEFORE, _AFTER, _POINTS, _PERCENT)


def compile_change_renderer(clinic: Clinic) -> ChangeRenderer:
    """The renderer. A template is made by the builder from marks when a shape is first met."""
    templates: dict[tuple[object, ...], Template] = {}
    written_verdict = _compile_verdicts(clinic)
    provider = f"Organization/{clinic.provider_id()}"

    def render(change: ScaleChange, amended: bool) -> Rendered | None:
        if not change.publishable:
            return None
        movement, after = change.movement, change.after
        status = ObservationStatus.AMENDED if amended else change_status(change)
        shape = (change.instrument, change.scale, change.timepoint, change.baseline)
        key = (*shape, status, after.authored.at is None, movement.percent_text is None)
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
            movement.points_text.encode(),
            (movement.percent_text or "").encode(),
        )
        tail = template.text % template.take(values)
        verdicts = b"".join([written_verdict(verdict) for verdict in movement.confirmed])
        before, later = "Observation/" + change.before_score_id, "Observation/" + change.after_score_id
        return Rendered(
            "Observation",
            change.id,
            b'{"resourceType":"Observation","id":"%b",' % own,
            # The components close the resource, and the verdicts close the components.
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


def _template(clinic: Clinic, change: ScaleChange, amended: bool) -> Template:
    authored = marked_moment(_AUTHORED, change.after.authored.at is None)
    percent = None if change.movement.percent_text is None else _PERCENT
    marked = replace(
        change,
        id=ResourceId(_OWN),
        person=PersonId(_PERSON),
        after=msgspec.structs.replace(change.after, person=PersonId(_PERSON), authored=authored),
        before_score_id=ResourceId(_BEFORE),
        after_score_id=ResourceId(_AFTER),
        movement=replace(change.movement, points_text=_POINTS, percent_text=percent, verdicts=()),
    )
    rendered = build_change_observation(clinic, marked, amended=amended)
    assert rendered is not None  # only publishable changes come here
    return template_of(rendered, _MARKS)


def _compile_verdicts(clinic: Clinic) -> Callable[[RuleVerdict], bytes]:
    codes = codes_of(clinic)
    written: dict[tuple[object, ...], bytes] = {}

    def verdict(said: RuleVerdict) -> bytes:
        rule = said.rule.rule
        key = (rule.rule_id, rule.version, said.verdict, said.grade, said.reason)
        found = written.get(key)
        if found is None:
            found = written[key] = b"," + write_canonical(verdict_component(codes, said))
        return found

    return verdict
