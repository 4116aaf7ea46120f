"""What the rendering bench compares does the same work."""

import pytest

from bench.rendering.floor_renderer import build_floor_renderer
from bench.rendering.our_renderer import build_our_renderer
from bench.rendering.sample_bodies import sample_bodies
from bench.service import load_bench_clinic
from fhir_pmp.identifiers import InstrumentId

CLINIC = load_bench_clinic()
BODIES = sample_bodies(dict(CLINIC.instruments))


@pytest.mark.parametrize("name", sorted(CLINIC.instruments))
def test_the_floor_makes_the_very_bytes_that_we_make(name: InstrumentId) -> None:
    ours = build_our_renderer(CLINIC, name)
    floor = build_floor_renderer(CLINIC, name, BODIES[name], ours)
    assert [floor(body) for body in BODIES[name]] == [ours(body) for body in BODIES[name]]
