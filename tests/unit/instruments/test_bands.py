"""Bands on a range: which one holds a score, and what is wrong with bands that leave a gap or overlap."""

from fractions import Fraction

import pytest

from fhir_pmp.instruments.bands import faults_of_bands, find_band_set, get_band_set, published_band
from fhir_pmp.instruments.definition import Band
from tests.spec import shipped


def bands(*edges: str) -> tuple[Band, ...]:
    """Intervals as mathematics writes them: "[0 5)" holds 0 and not 5."""
    found = []
    for edge in edges:
        lowest, highest = edge[1:-1].split()
        found.append(Band(edge, Fraction(lowest), edge[0] == "[", Fraction(highest), edge[-1] == "]"))
    return tuple(found)


SOUND = {  # bands of 0..10, whether the scale has whole numbers only
    "whole numbers": (("[0 4]", "[5 10]"), True),
    "one band": (("[0 10]",), False),
    "touching, the edge above": (("[0 5)", "[5 10]"), False),
    "touching, the edge below": (("[0 5]", "(5 10]"), False),
    "halves on a scale of whole numbers": (("[0 4.5)", "(4.5 10]"), True),
}
FAULTY = {
    "no bands": ((), True, [(0, "must have at least one band")]),
    "a gap of a whole number": (("[0 4]", "[6 10]"), True, [(1, "leaves a gap after the band before it")]),
    "a gap between whole numbers": (
        ("[0 4]", "[5 10]"),
        False,
        [(1, "leaves a gap after the band before it")],
    ),
    "a gap of one point": (("[0 5)", "(5 10]"), True, [(1, "leaves a gap after the band before it")]),
    "a gap at a half": (("[0 4.5)", "(5 10]"), True, [(1, "leaves a gap after the band before it")]),
    "both hold the edge": (("[0 5]", "[5 10]"), False, [(1, "overlaps the band before it")]),
    "one reaches into the next": (("[0 6]", "[5 10]"), False, [(1, "overlaps the band before it")]),
    "starts above": (("(0 10]",), False, [(0, "does not start at the lowest score of the scale")]),
    "ends below": (("[0 10)",), False, [(0, "does not end at the highest score of the scale")]),
    "a band without a point": (
        ("[0 5]", "(5 5)", "[5 10]"),
        False,
        [(1, "is empty: it ends before it starts")],
    ),
}


@pytest.mark.parametrize(("edges", "whole"), SOUND.values(), ids=SOUND)
def test_bands_that_cover_the_range(edges: tuple[str, ...], whole: bool) -> None:
    assert faults_of_bands(bands(*edges), Fraction(0), Fraction(10), whole=whole) == []


@pytest.mark.parametrize(("edges", "whole", "faults"), FAULTY.values(), ids=FAULTY)
def test_bands_that_do_not(edges: tuple[str, ...], whole: bool, faults: list[tuple[int, str]]) -> None:
    assert faults_of_bands(bands(*edges), Fraction(0), Fraction(10), whole=whole) == faults


def test_every_score_of_every_shipped_scale_has_exactly_one_band() -> None:
    for instrument in shipped.shipped().values():
        for scale in instrument.scales:
            steps = 1 if scale.whole else 28  # the fractions that four or seven items make
            for step in range(int(scale.lowest) * steps, int(scale.highest) * steps + 1):
                value = Fraction(step, steps)
                for band_set in scale.band_sets:
                    assert sum(band.holds(value) for band in band_set.bands) == 1


def test_the_first_band_set_is_the_published_one() -> None:
    pcs = shipped.scale("pcs", "total")
    band = published_band(pcs, Fraction(30))
    assert band is not None and band.label == "clinically relevant"
    assert published_band(shipped.scale("peg", "total"), Fraction(3)) is None


def test_band_sets_are_found_by_name() -> None:
    k10 = shipped.scale("k10", "total")
    assert get_band_set(k10, "crufad") is find_band_set(k10, "crufad")
    assert find_band_set(k10, "other") is None
    with pytest.raises(KeyError):
        get_band_set(k10, "other")


def test_a_score_outside_the_range_has_no_band() -> None:
    with pytest.raises(ValueError, match=r"abs\.k10\.bands"):
        get_band_set(shipped.scale("k10", "total"), "abs").band_of(Fraction(9))
