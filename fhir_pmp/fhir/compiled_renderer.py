"""The hot path: a response and its scores as FHIR bytes, equal to what the builders write and many times faster."""

from collections.abc import Callable
from operator import getitem, itemgetter

import orjson
from msgspec.structs import replace

from fhir_pmp.fhir.json_writer import write_canonical
from fhir_pmp.fhir.observation import codes_of
from fhir_pmp.fhir.questionnaire_response import answered_item, build_questionnaire_response
from fhir_pmp.fhir.rendered import Rendered
from fhir_pmp.fhir.safety_observation import build_safety_observation
from fhir_pmp.fhir.score_observation import build_score_observation, may_leave
from fhir_pmp.fhir.template import Template, marked_moment, template_of
from fhir_pmp.identifiers import Identifier, PersonId, ResourceId, ResponseId, ScaleId
from fhir_pmp.instruments.definition import Answers, Instrument, SafetyItem, Scale, Score
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import Response, Sharing

Renderer = Callable[[Response, tuple[Score, ...]], tuple[Rendered, ...]]
"""Renders a response: its QuestionnaireResponse, its score Observations, its safety Observations, in this order."""

_PERSON, _RESPONSE, _AUTHORED, _KEY = "~person~", "~response~", "~authored~", "~key~"
_MARKS = (_PERSON, _RESPONSE, _AUTHORED)

_RECORD = Sharing.RECORD


def compile_response_renderer(clinic: Clinic, instrument: Instrument) -> Renderer:
    """The renderer of one instrument's responses. `scores`: one for each of its scales, in their order.

    When a shape is first met its template is made by the builders themselves, from marks; so the two never disagree.
    """
    written_items = _compile_items(clinic, instrument)
    shapes: dict[tuple[object, ...], _Shape] = {}

    def render(response: Response, scores: tuple[Score, ...]) -> tuple[Rendered, ...]:
        dated_only = response.authored.at is None
        system, version = response.identifier.system, response.instrument_version
        key = (response.timepoint, response.status, dated_only, system, version)
        shape = shapes.get(key)
        if shape is None:
            shape = shapes[key] = _Shape(clinic, instrument, response)
        return shape.render(response, scores, written_items(response.answers))

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


class _Shape:
    """The templates of responses that share timepoint, status, precision of date, source and instrument version."""

    def __init__(self, clinic: Clinic, instrument: Instrument, example: Response) -> None:
        marked = replace(
            example,
            id=ResponseId(_RESPONSE),
            person=PersonId(_PERSON),
            authored=marked_moment(_AUTHORED, example.authored.at is None),
            answers={},
            identifier=Identifier(example.identifier.system, _KEY),
        )
        self._system = example.identifier.system
        self._response = template_of(build_questionnaire_response(clinic, marked), (*_MARKS, _KEY))
        # The items close the resource; where all are blank there are none, and no empty array either.
        self._with_items = self._response.text[:-1] + b',"item":[%b]}'
        self._scales = [_ScaleShape(clinic, marked, instrument, scale) for scale in instrument.scales]
        self._safety = [_SafetyShape(clinic, marked, safety) for safety in instrument.safety_items]

    def render(self, response: Response, scores: tuple[Score, ...], items: bytes) -> tuple[Rendered, ...]:
        """All resources of one response of this shape."""
        values = (response.person.encode(), response.id.encode(), orjson.dumps(response.authored.text)[1:-1])
        rendered = [self._render_response(response, values, items)]
        scales = list(zip(self._scales, scores, strict=True))
        # Every id first: a scale that has sub-scales refers to theirs.
        ids = [shape.id_of(response.id, score) for shape, score in scales]
        for (shape, score), own in zip(scales, ids, strict=True):
            if own is not None:
                rendered.append(shape.render(response, values, score, own, ids))
        for safety in self._safety:
            rendered.append(safety.render(response, values))
        return tuple(rendered)

    def _render_response(self, response: Response, values: tuple[bytes, ...], items: bytes) -> Rendered:
        template, key = self._response, response.identifier.value
        # A source spells its keys as it likes: JSON's own escapes, without the quotation marks.
        taken = template.take((*values, orjson.dumps(key)[1:-1]))
        return Rendered(
            "QuestionnaireResponse",
            ResourceId(response.id),
            b'{"resourceType":"QuestionnaireResponse","id":"%b",' % values[1],
            self._with_items % (*taken, items) if items else template.text % taken,
            _RECORD,
            response.person,
            response.episode,
            None,
            response.authored.text,
            (("identifier", self._system, key),) + template.tokens,
            ("Patient/" + response.person,),
        )


class _ScaleShape:
    """The templates of one scale's score in responses of one shape, by what is published of the score."""

    def __init__(self, clinic: Clinic, marked: Response, instrument: Instrument, scale: Scale) -> None:
        self._clinic = clinic
        self._marked = marked
        self._scale = scale
        self._id_of = clinic.score_ids(scale.id)
        self._scales = instrument.scales
        self._members = [at for at, one in enumerate(instrument.scales) if one.part_of == scale.id]
        # By the published number and the count of answers, and by the sub-scales that are published beside it:
        # nothing else shows in a score.
        self._leaves: dict[tuple[str | None, int], bool] = {}
        self._templates: dict[tuple[object, ...], Template] = {}

    def id_of(self, response: ResponseId, score: Score) -> ResourceId | None:
        """The Observation's id; None for a score that rests on an UNCONFIRMED rule and is not published."""
        key = (score.published, score.answered)
        leaves = self._leaves.get(key)
        if leaves is None:
            leaves = self._leaves[key] = may_leave(self._scale, score)
        return self._id_of(response) if leaves else None

    def render(
        self,
        response: Response,
        values: tuple[bytes, ...],
        score: Score,
        own: ResourceId,
        ids: list[ResourceId | None],
    ) -> Rendered:
        """The score as Observation. `ids`: of all the scales' Observations, None for one that is not published."""
        members = [at for at in self._members if ids[at] is not None] if self._members else ()
        key = (score.published, score.answered, *members)
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = self._template(score, [self._scales[at].id for at in members])
        if not members:
            return _observation(response, own, template, values, ())
        shown = [ids[at] or "" for at in members]
        refs = tuple(["Observation/" + member for member in shown])
        return _observation(response, own, template, (*values, *[one.encode() for one in shown]), refs)

    def _template(self, score: Score, members: list[ScaleId]) -> Template:
        rendered = build_score_observation(self._clinic, self._marked, score, members)
        marks = [self._clinic.score_id(self._marked.id, member) for member in members]
        return template_of(rendered, (rendered.id, *_MARKS, *marks))


class _SafetyShape:
    """The templates of one safety item's answer in responses of one shape, by answer."""

    def __init__(self, clinic: Clinic, marked: Response, safety: SafetyItem) -> None:
        self._clinic = clinic
        self._marked = marked
        self._safety = safety
        self._id_of = clinic.answer_ids(safety.item)
        self._templates: dict[int | None, Template] = {}

    def render(self, response: Response, values: tuple[bytes, ...]) -> Rendered:
        """The answer as Observation."""
        item = self._safety.item
        answer = response.answers.get(item)
        template = self._templates.get(answer)
        if template is None:
            template = self._templates[answer] = self._template(answer)
        return _observation(response, self._id_of(response.id), template, values, ())

    def _template(self, answer: int | None) -> Template:
        marked = replace(self._marked, answers={} if answer is None else {self._safety.item: answer})
        rendered = build_safety_observation(self._clinic, marked, self._safety)
        return template_of(rendered, (rendered.id, *_MARKS))


def _observation(
    response: Response,
    own: ResourceId,
    template: Template,
    values: tuple[bytes, ...],
    members: tuple[str, ...],
) -> Rendered:
    written = own.encode()
    return Rendered(
        "Observation",
        own,
        b'{"resourceType":"Observation","id":"%b",' % written,
        template.text % template.take((written, *values)),
        _RECORD,
        response.person,
        response.episode,
        None,
        response.authored.text,
        (("identifier", template.identifier_system, own),) + template.tokens,
        ("Patient/" + response.person, *members, "QuestionnaireResponse/" + response.id),
    )
