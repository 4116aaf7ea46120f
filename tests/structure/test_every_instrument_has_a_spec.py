"""Every instrument that is shipped loads, and has a spec of its own."""

from pathlib import Path

import pytest

from fhir_pmp.instruments.definition import RuleStatus
from fhir_pmp.instruments.loading import check_mappings, load_instruments

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "mappings" / "instruments"


def test_the_shipped_mappings_have_no_fault() -> None:
    assert [str(fault) for fault in check_mappings(FOLDER)] == []


@pytest.mark.promise("P11")
def test_every_instrument_has_a_spec() -> None:
    without = [
        name
        for name in load_instruments(FOLDER)
        if not (ROOT / f"tests/spec/instruments/test_{name}.py").is_file()
    ]
    assert without == []


def test_every_instrument_of_this_release_is_shipped() -> None:
    assert set(load_instruments(FOLDER)) == {
        *("phq9", "gad7", "pcs", "pseq", "bpi_sf", "peg", "dass21", "k10", "tsk11", "satisfaction", "pgic")
    }


def test_the_band_that_is_published_rests_on_no_unconfirmed_rule() -> None:
    for instrument in load_instruments(FOLDER).values():
        for scale in instrument.scales:
            if scale.band_sets:
                assert scale.band_sets[0].rule.status is not RuleStatus.UNCONFIRMED
