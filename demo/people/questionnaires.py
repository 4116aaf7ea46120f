"""Lists the items of each questionnaire, and the timepoints and windows of the programme.

The structure follows the scoring tables of the published instruments; item names are those of the platform's export.
"""

from demo.people.person import Instrument, Timepoint


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(1, count + 1))


SEVERITY = ("worst", "least", "average", "now")
INTERFERENCE = ("activity", "mood", "walking", "work", "relations", "sleep", "enjoyment")

ITEMS: dict[Instrument, tuple[str, ...]] = {
    "phq9": (*_numbered(9), "difficulty"),
    "gad7": _numbered(7),
    "pcs": _numbered(13),
    "pseq": _numbered(10),
    "k10": _numbered(10),
    "bpi_sf": (*SEVERITY, *INTERFERENCE),
    "satisfaction": ("satisfaction", "recommend"),
    "pgic": ("pgic",),
}
"""The items of each instrument in the order they are asked."""

ASKED_AT: dict[Timepoint, tuple[Instrument, ...]] = {
    "screening": ("phq9", "gad7", "k10"),
    "start": ("phq9", "gad7", "pcs", "pseq", "bpi_sf"),
    "post": ("phq9", "gad7", "pcs", "pseq", "bpi_sf", "satisfaction", "pgic"),
    "follow_up": ("phq9", "gad7", "pcs", "pseq", "bpi_sf"),
}
"""The instruments of each timepoint in the order they are filled in."""

WINDOWS: dict[Timepoint, tuple[int, int]] = {
    "screening": (-28, 0),
    "start": (-7, 14),
    "post": (49, 84),
    "follow_up": (133, 189),
}
"""First and last day of each timepoint, counted from the day the person started."""

LESSONS = 5
MAJORITY = 4
