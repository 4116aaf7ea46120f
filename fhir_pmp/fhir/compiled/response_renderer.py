"""Renders responses and scores from byte templates, equal to the builders' bytes."""

from collections.abc import Callable, Mapping, Sequence
from operator import getitem, itemgetter

import orjson
from msgspec.structs import replace

from fhir_pmp.fhir.compiled.resource_template import build_template, placeholder_moment
from fhir_pmp.fhir.measurement.questionnaire_response import answered_item, build_questionnaire_response
from fhir_pmp.fhir.measurement.safety_observation import build_safety_observation
from fhir_pmp.fhir.measurement.score_observation import build_score_observation, is_publishable_score
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.fhir.terminology.local_codes import codes_of
from fhir_pmp.identifiers import Identifier, PersonId, ResourceId, ResponseId, ScaleId
from fhir_pmp.instruments.definition import Answers, Instrument, SafetyItem, Scale, Score
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Response, Sharing

ResponseRenderer = Callable[[Response, tuple[Score, ...]], tuple[RenderedResource, ...]]
"""Renders a response to its QuestionnaireResponse, score Observations and safety Observations, in this order."""

_PERSON, _RESPONSE, _AUTHORED, _KEY = "~person~", "~response~", "~authored~", "~key~"
_PLACEHOLDERS = (_PERSON, _RESPONSE, _AUTHORED)

# Closures instead of objects: a variable of the enclosing function is read in half the time of an attribute, and this
# code runs for each of a hundred thousand responses.
Scores = tuple[Score, ...]
PlaceholderValues = tuple[bytes, bytes, bytes]
"""The placeholder values that all resources of a response have, as JSON text."""
SubscaleIds = Mapping[ScaleId, ResourceId]
"""The ids of the sub-scales' Observations, to which the scale's Observation refers."""
FillTemplate = Callable[[Response, PlaceholderValues, ResourceId, Sequence[ResourceId]], RenderedResource]

_RECORD = Sharing.RECORD


def compile_response_renderer(clinic: ClinicalContext, instrument: Instrument) -> ResponseRenderer:
    """Compiles the renderer of one instrument's responses.

    Its argument `scores` has one score for each scale, in their order. When a shape first occurs, the builders make its
    template from placeholders, so template and builder cannot differ.
    """
    written_items = _compile_items(clinic, instrument)
    shapes: dict[tuple[object, ...], Callable[[Response, Scores, bytes], tuple[RenderedResource, ...]]] = {}

    def render(response: Response, scores: Scores) -> tuple[RenderedResource, ...]:
        is_date_only = response.authored.at is None
        system, version = response.identifier.system, response.instrument_version
        key = (response.timepoint, response.status, is_date_only, system, version)
        shape = shapes.get(key)
        if shape is None:
            shape = shapes[key] = _compile_shape(clinic, instrument, response)
        return shape(response, scores, written_items(response.answers))

    return render


def _compile_items(clinic: ClinicalContext, instrument: Instrument) -> Callable[[Answers], bytes]:
    codes = codes_of(clinic)
    written_items = {
        item.link_id: {value: write_canonical(answered_item(codes, item, value)) for value in item.offered}
        for item in instrument.items
    }
    tables = tuple(written_items.values())
    order_values = itemgetter(*written_items) if len(written_items) > 1 else None

    def items(answers: Answers) -> bytes:
        if order_values is not None and len(answers) == len(tables):
            return b",".join(map(getitem, tables, order_values(answers)))
        return b",".join([table[answers[item]] for item, table in written_items.items() if item in answers])

    return items


def _compile_shape(
    clinic: ClinicalContext, instrument: Instrument, example: Response
) -> Callable[[Response, Scores, bytes], tuple[RenderedResource, ...]]:
    """Compiles for responses of equal timepoint, status, date precision, source and version."""
    with_placeholders = replace(
        example,
        id=ResponseId(_RESPONSE),
        person=PersonId(_PERSON),
        authored=placeholder_moment(_AUTHORED, example.authored.at is None),
        answers={},
        identifier=Identifier(example.identifier.system, _KEY),
    )
    render_response = _compile_response(clinic, with_placeholders)
    subscale_ids = _compile_subscale_ids(clinic, instrument)
    score_renderers = [
        _compile_scale(clinic, with_placeholders, instrument, scale) for scale in instrument.scales
    ]
    answer_renderers = [
        _compile_safety(clinic, with_placeholders, safety) for safety in instrument.safety_items
    ]

    def render(response: Response, scores: Scores, items: bytes) -> tuple[RenderedResource, ...]:
        authored = orjson.dumps(response.authored.text)[1:-1]
        placeholder_values = (response.person.encode(), response.id.encode(), authored)
        rendered = [render_response(response, placeholder_values, items)]
        ids = subscale_ids(response.id, scores)
        for render_score, score in zip(score_renderers, scores, strict=True):
            if (observation := render_score(response, placeholder_values, score, ids)) is not None:
                rendered.append(observation)
        for render_answer in answer_renderers:
            rendered.append(render_answer(response, placeholder_values))
        return tuple(rendered)

    return render


def _compile_response(
    clinic: ClinicalContext, with_placeholders: Response
) -> Callable[[Response, PlaceholderValues, bytes], RenderedResource]:
    text, order_values, system, tokens = build_template(
        build_questionnaire_response(clinic, with_placeholders), (*_PLACEHOLDERS, _KEY)
    )
    # The items end the resource; if all items are blank, the array is left out.
    with_items = text[:-1] + b',"item":[%b]}'

    def render(response: Response, placeholder_values: PlaceholderValues, items: bytes) -> RenderedResource:
        person, key = response.person, response.identifier.value
        # A source's keys may need JSON escapes; the quotation marks are cut off.
        ordered_values = order_values((*placeholder_values, orjson.dumps(key)[1:-1]))
        return RenderedResource(
            "QuestionnaireResponse",
            ResourceId(response.id),
            b'{"resourceType":"QuestionnaireResponse","id":"%b",' % placeholder_values[1],
            with_items % (*ordered_values, items) if items else text % ordered_values,
            _RECORD,
            person,
            response.episode,
            None,
            response.authored.text,
            (("identifier", system, key), *tokens),
            ("Patient/" + person,),
        )

    return render


def _compile_subscale_ids(
    clinic: ClinicalContext, instrument: Instrument
) -> Callable[[ResponseId, Scores], SubscaleIds]:
    """Computes the sub-scales' Observation ids once, for themselves and for referring Observations."""
    no_ids: SubscaleIds = {}
    scales = [
        (scale, clinic.ids.score_ids(scale.id), _compile_publishable(scale)) for scale in instrument.scales
    ]

    def ids(response: ResponseId, scores: Scores) -> SubscaleIds:
        return {
            scale.id: id_of(response)
            for (scale, id_of, is_publishable), score in zip(scales, scores, strict=True)
            if scale.part_of is not None and is_publishable(score)
        }

    has_subscales = any(scale.part_of is not None for scale in instrument.scales)
    return ids if has_subscales else lambda response, scores: no_ids


def _compile_publishable(scale: Scale) -> Callable[[Score], bool]:
    """Compiles `is_publishable_score`, cached by published score and number of answers."""
    known: dict[tuple[str | None, int], bool] = {}

    def is_publishable(score: Score) -> bool:
        key = (score.published, score.answered)
        found = known.get(key)
        if found is None:
            found = known[key] = is_publishable_score(scale, score)
        return found

    return is_publishable


def _compile_scale(
    clinic: ClinicalContext, with_placeholders: Response, instrument: Instrument, scale: Scale
) -> Callable[[Response, PlaceholderValues, Score, SubscaleIds], RenderedResource | None]:
    """Compiles one scale's renderer, which returns None for a score that may not be published."""
    # Keyed by the published score, the number of answers and the published sub-scales: nothing else changes the
    # Observation's shape.
    fills: dict[tuple[object, ...], FillTemplate | None] = {}
    id_of, is_subscale = clinic.ids.score_ids(scale.id), scale.part_of is not None
    subscales = [one.id for one in instrument.scales if one.part_of == scale.id]

    def render(
        response: Response, placeholder_values: PlaceholderValues, score: Score, ids: SubscaleIds
    ) -> RenderedResource | None:
        published_parts = [subscale for subscale in subscales if subscale in ids] if subscales else subscales
        key = (score.published, score.answered, *published_parts)
        try:
            fill = fills[key]
        except KeyError:
            fill = fills[key] = _fill_score(clinic, with_placeholders, scale, score, published_parts)
        if fill is None:
            return None
        own = ids[scale.id] if is_subscale else id_of(response.id)
        return fill(
            response,
            placeholder_values,
            own,
            [ids[subscale] for subscale in published_parts] if published_parts else (),
        )

    return render


def _fill_score(
    clinic: ClinicalContext,
    with_placeholders: Response,
    scale: Scale,
    score: Score,
    published_parts: Sequence[ScaleId],
) -> FillTemplate | None:
    if not is_publishable_score(scale, score):
        return None
    members = [clinic.ids.score_id(with_placeholders.id, subscale) for subscale in published_parts]
    return _compile_fill(build_score_observation(clinic, with_placeholders, score, published_parts), members)


def _compile_safety(
    clinic: ClinicalContext, with_placeholders: Response, safety: SafetyItem
) -> Callable[[Response, PlaceholderValues], RenderedResource]:
    """Compiles the renderer of one safety item's answer."""
    fills: dict[int | None, FillTemplate] = {}
    item, id_of = safety.item, clinic.ids.answer_ids(safety.item)

    def render(response: Response, placeholder_values: PlaceholderValues) -> RenderedResource:
        answer = response.answers.get(item)
        fill = fills.get(answer)
        if fill is None:
            answered = replace(with_placeholders, answers={} if answer is None else {item: answer})
            fill = fills[answer] = _compile_fill(build_safety_observation(clinic, answered, safety))
        return fill(response, placeholder_values, id_of(response.id), ())

    return render


def _compile_fill(of: RenderedResource, members: Sequence[ResourceId] = ()) -> FillTemplate:
    """Compiles the function that fills the template of one Observation built from placeholders."""
    text, order_values, system, tokens = build_template(of, (of.id, *_PLACEHOLDERS, *members))

    def fill(
        response: Response,
        placeholder_values: PlaceholderValues,
        own: ResourceId,
        published_parts: Sequence[ResourceId],
    ) -> RenderedResource:
        encoded, person = own.encode(), response.person
        values: tuple[bytes, ...] = (encoded, *placeholder_values)
        refs: tuple[str, ...] = ("Patient/" + person, "QuestionnaireResponse/" + response.id)
        if published_parts:
            values += tuple([member.encode() for member in published_parts])
            refs = (refs[0], *["Observation/" + member for member in published_parts], refs[1])
        return RenderedResource(
            "Observation",
            own,
            b'{"resourceType":"Observation","id":"%b",' % encoded,
            text % order_values(values),
            _RECORD,
            person,
            response.episode,
            None,
            response.authored.text,
            (("identifier", system, own), *tokens),
            refs,
        )

    return fill
