"""What the rendering bench compares does the same work."""

import pytest

from bench.house import clinic_of
from bench.rendering.arrivals import bodies
from bench.rendering.floor import floor_way
from bench.rendering.ours import our_way
from fhir_pmp.identifiers import InstrumentId

CLINIC = clinic_of()
BODIES = bodies(dict(CLINIC.instruments))


@pytest.mark.parametrize("name", sorted(CLINIC.instruments))
def test_the_floor_makes_the_very_bytes_that_we_make(name: InstrumentId) -> None:
    ours = our_way(CLINIC, name)
    floor = floor_way(CLINIC, name, BODIES[name], ours)
    assert [floor(body) for body in BODIES[name]] == [ours(body) for body in BODIES[name]]
