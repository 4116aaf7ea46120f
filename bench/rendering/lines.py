"""Measures `render`: each instrument against fhir.resources."""

import json
from collections.abc import Callable, Iterator
from functools import partial

from bench.measurement import ratios, run_interleaved, seconds_each, spread
from bench.rendering.models_renderer import build_models_renderer
from bench.rendering.our_renderer import RenderFunction, build_our_renderer
from bench.rendering.sample_bodies import sample_bodies
from bench.report import ReportLine
from bench.service import load_bench_clinic
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.pathway.clinical_context import ClinicalContext

FASTER_THAN_MODELS = 10
FEW = 8
"""Number of bodies for fhir.resources, which takes milliseconds for each."""
HEADLINE = InstrumentId("phq9")

Seconds = dict[str, list[float]]


def render_lines(rounds: int, at_least: float) -> Iterator[ReportLine]:
    """Yields the lines of every shipped instrument; `at_least`: seconds per side and round."""
    clinic = load_bench_clinic()
    arrived = sample_bodies(dict(clinic.instruments))
    for name in sorted(clinic.instruments, key=lambda one: (one != HEADLINE, one)):
        took = _measure(clinic, name, arrived[name], rounds, at_least)
        resources = len(build_our_renderer(clinic, name)(arrived[name][0]))
        yield _line_of(name, took, has_observation=resources > 1)


def _measure(
    clinic: ClinicalContext, name: InstrumentId, arrived: list[bytes], rounds: int, at_least: float
) -> Seconds:
    ours, few = build_our_renderer(clinic, name), arrived[:FEW]
    models = build_models_renderer(clinic, name, few, ours)
    check_equal_values(name, ours, models, few)
    return run_interleaved(
        {"ours": _of_each(ours, arrived, at_least), "models": _of_each(models, few, at_least)}, rounds
    )


def _of_each(render: RenderFunction, arrived: list[bytes], at_least: float) -> Callable[[], float]:
    def work() -> None:
        for body in arrived:
            render(body)

    return partial(seconds_each, work, len(arrived), at_least)


def check_equal_values(
    name: InstrumentId, ours: RenderFunction, models: RenderFunction, arrived: list[bytes]
) -> None:
    """Raises AssertionError unless both renderers give resources of equal values."""
    for body in arrived:
        if [json.loads(one) for one in models(body)] != [json.loads(one) for one in ours(body)]:
            raise AssertionError(f"{name}: fhir.resources renders other values")


def _line_of(name: InstrumentId, took: Seconds, *, has_observation: bool) -> ReportLine:
    sides = {render: f"{spread(seconds).median * 1e6:,.1f} µs" for render, seconds in took.items()}
    # A response without an Observation is too little work for fhir.resources to be compared with.
    target = FASTER_THAN_MODELS if has_observation else None
    alone = "" if has_observation else " (no Observation)"
    return ReportLine(
        "render",
        f"{name}: times fhir.resources{alone}",
        ratios(took["models"], took["ours"]),
        target,
        sides=sides,
    )
