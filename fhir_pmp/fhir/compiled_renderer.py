"""The hot path: a response and its scores as FHIR bytes, equal to what the builders write and many times faster."""

from collections.abc import Callable, Mapping, Sequence
from operator import getitem, itemgetter

import orjson
from msgspec.structs import replace

from fhir_pmp.fhir.json_writer import write_canonical
from fhir_pmp.fhir.observation import codes_of
from fhir_pmp.fhir.questionnaire_response import answered_item, build_questionnaire_response
from fhir_pmp.fhir.rendered import Rendered
from fhir_pmp.fhir.safety_observation import build_safety_observation
from fhir_pmp.fhir.score_observation import build_score_observation, may_leave
from fhir_pmp.fhir.template import marked_moment, template_of
from fhir_pmp.identifiers import Identifier, PersonId, ResourceId, ResponseId, ScaleId
from fhir_pmp.instruments.definition import Answers, Instrument, SafetyItem, Scale, Score
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import Response, Sharing

Renderer = Callable[[Response, tuple[Score, ...]], tuple[Rendered, ...]]
"""Renders a response: its QuestionnaireResponse, its score Observations, its safety Observations, in this order."""

_PERSON, _RESPONSE, _AUTHORED, _KEY = "~person~", "~response~", "~authored~", "~key~"
_MARKS = (_PERSON, _RESPONSE, _AUTHORED)

# Functions in functions, and no objects between them: a name of the function around is found in half the time of an
# attribute, and everything here runs for each of a hundred thousand responses.
Scores = tuple[Score, ...]
Written = tuple[bytes, bytes, bytes]
"""The values of the marks that every resource of a response has, as JSON text."""
PartIds = Mapping[ScaleId, ResourceId]
"""The ids of the sub-scales' Observations: what a scale that has sub-scales refers to."""
Fill = Callable[[Response, Written, ResourceId, Sequence[ResourceId]], Rendered]

_RECORD = Sharing.RECORD


def compile_response_renderer(clinic: Clinic, instrument: Instrument) -> Renderer:
    """The renderer of one instrument's responses. `scores`: one for each of its scales, in their order.

    When a shape is first met its template is made by the builders themselves, from marks; so the two never disagree.
    """
    written_items = _compile_items(clinic, instrument)
    shapes: dict[tuple[object, ...], Callable[[Response, Scores, bytes], tuple[Rendered, ...]]] = {}

    def render(response: Response, scores: Scores) -> tuple[Rendered, ...]:
        dated_only = response.authored.at is None
        system, version = response.identifier.system, response.instrument_version
        key = (response.timepoint, response.status, dated_only, system, version)
        shape = shapes.get(key)
        if shape is None:
            shape = shapes[key] = _compile_shape(clinic, instrument, response)
        return shape(response, scores, written_items(response.answers))

    return render


def _compile_items(clinic: Clinic, instrument: Instrument) -> Callable[[Answers], bytes]:
    codes = codes_of(clinic)
    written = {
        item.link_id: {value: write_canonical(answered_item(codes, item, value)) for value in item.offered}
        for item in instrument.items
    }
    tables = tuple(written.values())
    take = itemgetter(*written) if len(written) > 1 else None

    def items(answers: Answers) -> bytes:
        if take is not None and len(answers) == len(tables):
            return b",".join(map(getitem, tables, take(answers)))
        return b",".join([table[answers[item]] for item, table in written.items() if item in answers])

    return items


def _compile_shape(
    clinic: Clinic, instrument: Instrument, example: Response
) -> Callable[[Response, Scores, bytes], tuple[Rendered, ...]]:
    """For responses that share timepoint, status, precision of date, source and instrument version."""
    marked = replace(
        example,
        id=ResponseId(_RESPONSE),
        person=PersonId(_PERSON),
        authored=marked_moment(_AUTHORED, example.authored.at is None),
        answers={},
        identifier=Identifier(example.identifier.system, _KEY),
    )
    render_response = _compile_response(clinic, marked)
    part_ids = _compile_part_ids(clinic, instrument)
    score_renderers = [_compile_scale(clinic, marked, instrument, scale) for scale in instrument.scales]
    answer_renderers = [_compile_safety(clinic, marked, safety) for safety in instrument.safety_items]

    def render(response: Response, scores: Scores, items: bytes) -> tuple[Rendered, ...]:
        authored = orjson.dumps(response.authored.text)[1:-1]
        written = (response.person.encode(), response.id.encode(), authored)
        rendered = [render_response(response, written, items)]
        ids = part_ids(response.id, scores)
        for render_score, score in zip(score_renderers, scores, strict=True):
            if (observation := render_score(response, written, score, ids)) is not None:
                rendered.append(observation)
        for render_answer in answer_renderers:
            rendered.append(render_answer(response, written))
        return tuple(rendered)

    return render


def _compile_response(clinic: Clinic, marked: Response) -> Callable[[Response, Written, bytes], Rendered]:
    text, take, system, tokens = template_of(build_questionnaire_response(clinic, marked), (*_MARKS, _KEY))
    # The items close the resource; where all are blank there are none, and no empty array either.
    with_items = text[:-1] + b',"item":[%b]}'

    def render(response: Response, written: Written, items: bytes) -> Rendered:
        person, key = response.person, response.identifier.value
        # A source spells its keys as it likes: JSON's own escapes, without the quotation marks.
        taken = take((*written, orjson.dumps(key)[1:-1]))
        return Rendered(
            "QuestionnaireResponse",
            ResourceId(response.id),
            b'{"resourceType":"QuestionnaireResponse","id":"%b",' % written[1],
            with_items % (*taken, items) if items else text % taken,
            _RECORD,
            person,
            response.episode,
            None,
            response.authored.text,
            (("identifier", system, key), *tokens),
            ("Patient/" + person,),
        )

    return render


def _compile_part_ids(clinic: Clinic, instrument: Instrument) -> Callable[[ResponseId, Scores], PartIds]:
    """The ids of the sub-scales' Observations, made once for the Observation itself and for the one that refers to it."""
    nothing: PartIds = {}
    scales = [(scale, clinic.score_ids(scale.id), _compile_leaving(scale)) for scale in instrument.scales]

    def ids(response: ResponseId, scores: Scores) -> PartIds:
        return {
            scale.id: id_of(response)
            for (scale, id_of, leaves), score in zip(scales, scores, strict=True)
            if scale.part_of is not None and leaves(score)
        }

    has_parts = any(scale.part_of is not None for scale in instrument.scales)
    return ids if has_parts else lambda response, scores: nothing


def _compile_leaving(scale: Scale) -> Callable[[Score], bool]:
    """Whether a score may be published, by what it rests on: its number and the count of its answers decide that."""
    known: dict[tuple[str | None, int], bool] = {}

    def leaves(score: Score) -> bool:
        key = (score.published, score.answered)
        found = known.get(key)
        if found is None:
            found = known[key] = may_leave(scale, score)
        return found

    return leaves


def _compile_scale(
    clinic: Clinic, marked: Response, instrument: Instrument, scale: Scale
) -> Callable[[Response, Written, Score, PartIds], Rendered | None]:
    """One scale's score as Observation; None for one that rests on an UNCONFIRMED rule and is not published."""
    # By the published number and the count of answers, and by the sub-scales that are published beside it: nothing
    # else shows in a score.
    fills: dict[tuple[object, ...], Fill | None] = {}
    id_of, is_part = clinic.score_ids(scale.id), scale.part_of is not None
    parts = [one.id for one in instrument.scales if one.part_of == scale.id]

    def render(response: Response, written: Written, score: Score, ids: PartIds) -> Rendered | None:
        shown = [part for part in parts if part in ids] if parts else parts
        key = (score.published, score.answered, *shown)
        try:
            fill = fills[key]
        except KeyError:
            fill = fills[key] = _fill_score(clinic, marked, scale, score, shown)
        if fill is None:
            return None
        own = ids[scale.id] if is_part else id_of(response.id)
        return fill(response, written, own, [ids[part] for part in shown] if shown else ())

    return render


def _fill_score(
    clinic: Clinic, marked: Response, scale: Scale, score: Score, shown: Sequence[ScaleId]
) -> Fill | None:
    if not may_leave(scale, score):
        return None
    members = [clinic.score_id(marked.id, part) for part in shown]
    return _compile_fill(build_score_observation(clinic, marked, score, shown), members)


def _compile_safety(
    clinic: Clinic, marked: Response, safety: SafetyItem
) -> Callable[[Response, Written], Rendered]:
    """One safety item's answer as Observation."""
    fills: dict[int | None, Fill] = {}
    item, id_of = safety.item, clinic.answer_ids(safety.item)

    def render(response: Response, written: Written) -> Rendered:
        answer = response.answers.get(item)
        fill = fills.get(answer)
        if fill is None:
            answered = replace(marked, answers={} if answer is None else {item: answer})
            fill = fills[answer] = _compile_fill(build_safety_observation(clinic, answered, safety))
        return fill(response, written, id_of(response.id), ())

    return render


def _compile_fill(of: Rendered, members: Sequence[ResourceId] = ()) -> Fill:
    """Makes of one Observation, built from marks, a template and the function that fills it."""
    text, take, system, tokens = template_of(of, (of.id, *_MARKS, *members))

    def fill(response: Response, written: Written, own: ResourceId, shown: Sequence[ResourceId]) -> Rendered:
        encoded, person = own.encode(), response.person
        values: tuple[bytes, ...] = (encoded, *written)
        refs: tuple[str, ...] = ("Patient/" + person, "QuestionnaireResponse/" + response.id)
        if shown:
            values += tuple([member.encode() for member in shown])
            refs = (refs[0], *["Observation/" + member for member in shown], refs[1])
        return Rendered(
            "Observation",
            own,
            b'{"resourceType":"Observation","id":"%b",' % encoded,
            text % take(values),
            _RECORD,
            person,
            response.episode,
            None,
            response.authored.text,
            (("identifier", system, own), *tokens),
            refs,
        )

    return fill
