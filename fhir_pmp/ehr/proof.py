"""What a server was seen to honour of the ways of writing, and when: kept, and believed before what it claims."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fhir_pmp.ehr.destinations import WriteStrategy

PROVEN_AGAIN_AFTER = timedelta(days=1)
LEFT_BEHIND_AGAIN_AFTER = timedelta(days=30)
"""Where what a proof makes cannot be removed, it is not made every day."""
LEAST_LAG = 5.0
"""Seconds that a search is given to find what was just written, however quick it was when it was measured."""

HONOURED = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof of a destination."""

    at: datetime
    kind: str  # the type it was proven with
    ways: Mapping[WriteStrategy, str]  # HONOURED, or why it is refused
    search_lag: float | None  # seconds until a search found what was written; None: it never did
    left: tuple[str, ...] = ()  # what could not be removed: `Type/id` there

    def honours(self, way: WriteStrategy) -> bool:
        """Whether that way of writing was seen to be safe."""
        return self.ways.get(way) == HONOURED

    def is_old(self, now: datetime) -> bool:
        """Whether it is time to prove again."""
        lasts = LEFT_BEHIND_AGAIN_AFTER if self.left else PROVEN_AGAIN_AFTER
        return not timedelta(0) <= now - self.at < lasts

    @property
    def seconds_to_wait(self) -> float:
        """How long after a write whose answer was lost a search that finds nothing proves that nothing is there."""
        return max(2 * (self.search_lag or 0.0), LEAST_LAG)

    @property
    def refused(self) -> str:
        """The ways that are refused and why, for people."""
        return "; ".join(f"{way.value}: {why}" for way, why in self.ways.items() if why != HONOURED)


def write_proof(proof: Proof) -> str:
    """As it is kept."""
    return json.dumps(
        {
            "kind": proof.kind,
            "ways": {way.value: why for way, why in proof.ways.items()},
            "search_lag": proof.search_lag,
            "left": list(proof.left),
        }
    )


def read_proof(at: datetime, kept: str) -> Proof | None:
    """A proof as it was kept; None where another version of the program kept it in another form."""
    try:
        values = json.loads(kept)
        ways = {WriteStrategy(way): str(why) for way, why in values["ways"].items()}
        return Proof(at, str(values["kind"]), ways, values["search_lag"], tuple(values["left"]))
    except (KeyError, TypeError, ValueError):
        return None
