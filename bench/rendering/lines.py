"""Measures `render`: each instrument against fhir.resources and against the floor."""

import json
from collections.abc import Callable, Iterator
from functools import partial

from bench.measurement import ratios, run_interleaved, seconds_each, spread
from bench.rendering.floor_renderer import build_floor_renderer
from bench.rendering.models_renderer import build_models_renderer
from bench.rendering.our_renderer import RenderFunction, build_our_renderer
from bench.rendering.sample_bodies import sample_bodies
from bench.report import ReportLine
from bench.service import load_bench_clinic
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.pathway.clinical_context import ClinicalContext

FASTER_THAN_MODELS = 100
OF_THE_FLOOR = 0.5
ALIKE = 0.7
FEW = 8
"""Number of bodies for fhir.resources, which takes milliseconds for each."""
HEADLINE = InstrumentId("phq9")

Seconds = dict[str, list[float]]


def render_lines(rounds: int, at_least: float) -> Iterator[ReportLine]:
    """Yields the lines of every shipped instrument; `at_least`: seconds per side and round."""
    clinic = load_bench_clinic()
    arrived = sample_bodies(dict(clinic.instruments))
    measured = {name: _measure(clinic, name, arrived[name], rounds, at_least) for name in clinic.instruments}
    for name in sorted(measured, key=lambda one: (one != HEADLINE, one)):
        resources = len(build_our_renderer(clinic, name)(arrived[name][0]))
        yield from _lines_of(name, measured[name], has_observation=resources > 1)
    of_headline = ratios(measured[HEADLINE]["floor"], measured[HEADLINE]["ours"]).median
    of_others = {name: ratios(took["floor"], took["ours"]).median for name, took in measured.items()}
    furthest = min(of_others, key=lambda name: of_others[name])
    yield ReportLine(
        "render",
        f"{furthest}, the furthest from its floor, beside {HEADLINE}",
        spread([of_others[furthest] / of_headline]),
        target=ALIKE,
    )


def _measure(
    clinic: ClinicalContext, name: InstrumentId, arrived: list[bytes], rounds: int, at_least: float
) -> Seconds:
    ours, few = build_our_renderer(clinic, name), arrived[:FEW]
    models, floor = (
        build_models_renderer(clinic, name, few, ours),
        build_floor_renderer(clinic, name, arrived, ours),
    )
    _agree(name, ours, models, floor, few)
    return run_interleaved(
        {
            "ours": _of_each(ours, arrived, at_least),
            "floor": _of_each(floor, arrived, at_least),
            "models": _of_each(models, few, at_least),
        },
        rounds,
    )


def _of_each(render: RenderFunction, arrived: list[bytes], at_least: float) -> Callable[[], float]:
    def work() -> None:
        for body in arrived:
            render(body)

    return partial(seconds_each, work, len(arrived), at_least)


def _agree(
    name: InstrumentId,
    ours: RenderFunction,
    models: RenderFunction,
    floor: RenderFunction,
    arrived: list[bytes],
) -> None:
    """Raises AssertionError unless the floor gives equal bytes and the models equal values."""
    for body in arrived:
        made = ours(body)
        if floor(body) != made:
            raise AssertionError(f"{name}: the floor renders other bytes")
        if [json.loads(one) for one in models(body)] != [json.loads(one) for one in made]:
            raise AssertionError(f"{name}: fhir.resources renders other values")


def _lines_of(name: InstrumentId, took: Seconds, *, has_observation: bool) -> Iterator[ReportLine]:
    sides = {render: f"{spread(seconds).median * 1e6:,.1f} µs" for render, seconds in took.items()}
    models, floor = ratios(took["models"], took["ours"]), ratios(took["floor"], took["ours"])
    # Without an Observation there is too little work: even the floor would not be a hundred times as fast.
    target = FASTER_THAN_MODELS if has_observation else None
    alone = "" if has_observation else " (no Observation)"
    yield ReportLine("render", f"{name}: times fhir.resources{alone}", models, target, sides=sides)
    yield ReportLine("render", f"{name}: of the floor", floor, OF_THE_FLOOR if name == HEADLINE else None)
