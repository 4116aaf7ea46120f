"""Renders the same bytes with the least possible work: typed decode, ids, sums, ready templates.

It handles complete answers of one instrument, at one timepoint, from one source. It refuses only what its types
refuse, and computes no search keys. Its rate is the floor that our renderer is compared with.
"""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter, getitem, itemgetter
from typing import Any, Literal

import msgspec

from bench.rendering.our_renderer import SOURCE, RenderFunction
from fhir_pmp.fhir.measurement.questionnaire_response import answered_item
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.terminology.local_codes import codes_of
from fhir_pmp.identifiers import InstrumentId, ResponseId
from fhir_pmp.instruments.definition import Instrument
from fhir_pmp.pathway.clinical_context import ClinicalContext

Values = tuple[int, ...]
Facts = tuple[bytes, ...]
Template = tuple[bytes, Callable[[Facts], Facts]]


def build_floor_renderer(
    clinic: ClinicalContext, name: InstrumentId, bodies: Sequence[bytes], ours: RenderFunction
) -> RenderFunction:
    """Builds the renderer for these bodies, with templates made from our renderer's output."""
    instrument = clinic.instruments[name]
    assert not any(scale.reversed for scale in instrument.scales), "the floor sums answers as they are"
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(_typed_body(instrument)).decode
    tables = _written_items(clinic, instrument)
    values_of = _several(attrgetter, [_field(item.link_id) for item in instrument.items])
    timepoint = clinic.programme.timepoints[0].id
    shown = _shown(clinic, instrument, ours(bodies[0]))
    of_response: dict[bool, Template] = {}
    of_observation: list[dict[int, Template]] = [{} for _ in shown]

    def facts_of(body: Any) -> Facts:
        response_id = clinic.ids.response_id(SOURCE, body.response_id, "", name, timepoint)
        own = [id_of(response_id).encode() for id_of, _ in shown]
        return (
            body.response_id.encode(),
            response_id.encode(),
            body.person.encode(),
            body.authored.encode(),
            *own,
        )

    for body in bodies:
        decoded, contents = decode(body), ours(body)
        facts, values = facts_of(decoded), values_of(decoded.answers)
        items = b",".join(map(getitem, tables, values))
        of_response[True] = _template(contents[0], (*facts, items))
        for templates, (_, answers), content in zip(of_observation, shown, contents[1:], strict=True):
            templates[sum(answers(values))] = _template(content, facts)
    response_text, response_take = of_response[True]
    observations = [
        (templates, answers) for templates, (_, answers) in zip(of_observation, shown, strict=True)
    ]

    def render(body: bytes) -> list[bytes]:
        decoded = decode(body)
        values = values_of(decoded.answers)
        facts = facts_of(decoded)
        items = b",".join(map(getitem, tables, values))
        found = [response_text % response_take((*facts, items))]
        for templates, answers in observations:
            text, take = templates[sum(answers(values))]
            found.append(text % take(facts))
        return found

    return render


def _typed_body(instrument: Instrument) -> type[msgspec.Struct]:
    offered = [(_field(item.link_id), Literal[tuple(sorted(item.offered))]) for item in instrument.items]
    names = {_field(item.link_id): str(item.link_id) for item in instrument.items}
    answers = msgspec.defstruct("Answers", offered, rename=names, forbid_unknown_fields=True)
    return msgspec.defstruct(
        "Body", [("response_id", str), ("person", str), ("authored", str), ("answers", answers)]
    )


def _written_items(clinic: ClinicalContext, instrument: Instrument) -> list[dict[int, bytes]]:
    codes = codes_of(clinic)
    return [
        {value: write_canonical(answered_item(codes, item, value)) for value in item.offered}
        for item in instrument.items
    ]


def _shown(
    clinic: ClinicalContext, instrument: Instrument, contents: Sequence[bytes]
) -> list[tuple[Callable[[ResponseId], str], Callable[[Values], Values]]]:
    """Returns for each Observation its id function and the selector of its answers."""
    at = {item.link_id: number for number, item in enumerate(instrument.items)}
    scales = [
        (clinic.ids.score_ids(scale.id), _several(itemgetter, [at[item] for item in scale.items]))
        for scale in instrument.scales
    ]
    safety = [
        (clinic.ids.answer_ids(one.item), _several(itemgetter, [at[one.item]]))
        for one in instrument.safety_items
    ]
    # A scale with an UNCONFIRMED rule is scored but not published.
    return [*scales[: len(contents) - 1 - len(safety)], *safety]


def _template(content: bytes, facts: Facts) -> Template:
    pattern = re.compile(b"|".join(re.escape(fact) for fact in sorted(facts, key=len, reverse=True)))
    holes = [facts.index(found) for found in pattern.findall(content)]
    text = b"%b".join(piece.replace(b"%", b"%%") for piece in pattern.split(content))
    return text, _several(itemgetter, holes)


def _several(getter: Callable[..., Any], names: Sequence[Any]) -> Callable[[Any], Any]:
    get = getter(*names)
    return get if len(names) > 1 else lambda of: (get(of),)


def _field(link_id: str) -> str:
    return link_id.replace("-", "_")
