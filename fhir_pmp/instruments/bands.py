"""Finds the severity band of a score, and the faults of a set of bands."""

from fractions import Fraction

from fhir_pmp.instruments.definition import Band, BandSet, Scale


def find_band_set(scale: Scale, band_set: str) -> BandSet | None:
    """Returns the scale's band set of that id, or None."""
    return next((found for found in scale.band_sets if found.id == band_set), None)


def get_band_set(scale: Scale, band_set: str) -> BandSet:
    """Returns the scale's band set of that id. Raises KeyError."""
    return {found.id: found for found in scale.band_sets}[band_set]


def published_band(scale: Scale, value: Fraction) -> Band | None:
    """Returns the band in the scale's first (published) band set; None without one."""
    return scale.band_sets[0].band_of(value) if scale.band_sets else None


def faults_of_bands(
    bands: tuple[Band, ...], lowest: Fraction, highest: Fraction, *, whole: bool
) -> list[tuple[int, str]]:
    """Returns the faults of bands that must cover `lowest` to `highest` in rising order.

    Each fault is the index of the band and a text.

    On a scale of whole numbers, 0-4 followed by 5-9 leaves no gap. On any other scale, a band must start where the
    one before it ends.
    """
    if not bands:
        return [(0, "must have at least one band")]
    found = [
        (index, "is empty: it ends before it starts") for index, band in enumerate(bands) if _is_empty(band)
    ]
    if not _starts_at(bands[0], lowest):
        found.append((0, "does not start at the lowest score of the scale"))
    if not (bands[-1].highest_included and bands[-1].highest == highest):
        found.append((len(bands) - 1, "does not end at the highest score of the scale"))
    for index in range(1, len(bands)):
        before, after = bands[index - 1], bands[index]
        if _overlap(before, after):
            found.append((index, "overlaps the band before it"))
        elif _gap(before, after, whole=whole):
            found.append((index, "leaves a gap after the band before it"))
    return found


def _is_empty(band: Band) -> bool:
    if band.lowest == band.highest:
        return not (band.lowest_included and band.highest_included)
    return band.lowest > band.highest


def _starts_at(band: Band, lowest: Fraction) -> bool:
    return band.lowest_included and band.lowest == lowest


def _overlap(before: Band, after: Band) -> bool:
    if before.highest == after.lowest:
        return before.highest_included and after.lowest_included
    return before.highest > after.lowest


def _gap(before: Band, after: Band, *, whole: bool) -> bool:
    if whole:
        return _first_whole_after(before) < _first_whole_of(after)
    # Between the bands "below 5" and "above 5", the score 5 itself has no band.
    lost_edge = not (before.highest_included or after.lowest_included)
    return before.highest < after.lowest or (before.highest == after.lowest and lost_edge)


def _first_whole_after(band: Band) -> int:
    """Returns the smallest whole number above the band."""
    ceiling = -(-band.highest.numerator // band.highest.denominator)
    return ceiling + 1 if band.highest_included and ceiling == band.highest else ceiling


def _first_whole_of(band: Band) -> int:
    """Returns the smallest whole number in the band or above it."""
    floor = band.lowest.numerator // band.lowest.denominator
    return floor if band.lowest_included and floor == band.lowest else floor + 1
