"""What the rendering bench compares does the same work."""

import pytest

from bench.rendering.lines import FEW, check_equal_values
from bench.rendering.models_renderer import build_models_renderer
from bench.rendering.our_renderer import build_our_renderer
from bench.rendering.sample_bodies import sample_bodies
from bench.service import load_bench_clinic
from fhir_pmp.identifiers import InstrumentId

CLINIC = load_bench_clinic()
BODIES = sample_bodies(dict(CLINIC.instruments))


@pytest.mark.parametrize("name", sorted(CLINIC.instruments))
def test_fhir_resources_renders_the_values_that_we_render(name: InstrumentId) -> None:
    ours, few = build_our_renderer(CLINIC, name), BODIES[name][:FEW]
    check_equal_values(name, ours, build_models_renderer(CLINIC, name, few, ours), few)
