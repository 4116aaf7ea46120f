"""Makes response bodies in JSON, from the demo's people or random answers."""

from collections.abc import Iterator
from itertools import islice
from random import Random

import msgspec

from bench.service import SEED, TODAY
from demo.people import cohort
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.instruments.definition import Instrument

MANY = 400
"""Bodies per instrument: enough that consecutive bodies differ."""


class ResponseBody(msgspec.Struct):
    """The content of a body."""

    response_id: str
    person: str
    authored: str
    answers: dict[str, object]


def sample_bodies(instruments: dict[InstrumentId, Instrument]) -> dict[InstrumentId, list[bytes]]:
    """Returns the bodies of each instrument, without blanks."""
    found: dict[InstrumentId, list[bytes]] = {}
    answered = _answered(set(instruments))
    for name, instrument in instruments.items():
        known = answered.get(name, [])
        drawn = _drawn(instrument)
        answers = [known[at] if at < len(known) else next(drawn) for at in range(MANY)]
        found[name] = [_body(name, at, one) for at, one in enumerate(answers)]
    return found


def _answered(wanted: set[InstrumentId]) -> dict[InstrumentId, list[dict[str, int]]]:
    found: dict[InstrumentId, list[dict[str, int]]] = {}
    for person in islice(cohort(MANY * 2, seed=SEED, today=TODAY), MANY * 2):
        for response in person.responses:
            name = InstrumentId(response.instrument)
            answers = {
                f"{name}-{item}": value for item, value in response.answers.items() if value is not None
            }
            if name in wanted and len(answers) == len(response.answers):
                found.setdefault(name, []).append(answers)
    return {name: answers[:MANY] for name, answers in found.items()}


def _drawn(instrument: Instrument) -> Iterator[dict[str, int]]:
    rng = Random(f"{SEED}/{instrument.id}")
    while True:
        yield {str(item.link_id): rng.choice(sorted(item.offered)) for item in instrument.items}


def _body(name: InstrumentId, number: int, answers: dict[str, int]) -> bytes:
    day = f"2026-{1 + number % 9:02}-{1 + number % 28:02}"
    person = f"patient-{number:032x}"
    return msgspec.json.encode(ResponseBody(f"{name}-{number:06}", person, day, dict(answers)))
