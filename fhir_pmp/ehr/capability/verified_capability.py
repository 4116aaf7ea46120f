"""Holds which write strategies a server was seen to honour, and when.

A stored verification counts before the server's own claims.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fhir_pmp.ehr.config.destinations import WriteStrategy

VERIFY_AGAIN_AFTER = timedelta(days=1)
VERIFY_AGAIN_AFTER_REMAINS = timedelta(days=30)
"""Where what a proof makes cannot be removed, it is not made every day."""
SHORTEST_SEARCH_WAIT = 5.0
"""Seconds that a search is given to find what was just written, however quick it was when it was measured."""

HONOURED = ""


@dataclass(frozen=True, slots=True)
class VerifiedCapability:
    """One proof of a destination."""

    at: datetime
    kind: str  # the type it was proven with
    strategies: Mapping[WriteStrategy, str]  # HONOURED, or why it is refused
    search_lag: float | None  # seconds until a search found what was written; None: it never did
    remains: tuple[str, ...] = ()  # what could not be removed: `Type/id` there

    def honours(self, strategy: WriteStrategy) -> bool:
        """Whether that way of writing was seen to be safe."""
        return self.strategies.get(strategy) == HONOURED

    def is_old(self, now: datetime) -> bool:
        """Whether it is time to prove again."""
        lasts = VERIFY_AGAIN_AFTER_REMAINS if self.remains else VERIFY_AGAIN_AFTER
        return not timedelta(0) <= now - self.at < lasts

    @property
    def search_wait_seconds(self) -> float:
        """Seconds after a write until an empty search proves that nothing was stored.

        Needed where the response to the write was lost.
        """
        return max(2 * (self.search_lag or 0.0), SHORTEST_SEARCH_WAIT)

    @property
    def refused_reasons(self) -> str:
        """The ways that are refused and why, for people."""
        return "; ".join(
            f"{strategy.value}: {why}" for strategy, why in self.strategies.items() if why != HONOURED
        )


def serialize_verified(verified: VerifiedCapability) -> str:
    """As it is kept."""
    return json.dumps(
        {
            "kind": verified.kind,
            "ways": {strategy.value: why for strategy, why in verified.strategies.items()},
            "search_lag": verified.search_lag,
            "left": list(verified.remains),
        }
    )


def parse_verified(at: datetime, kept: str) -> VerifiedCapability | None:
    """Parses a stored verification; None if another version of the program stored another form."""
    try:
        values = json.loads(kept)
        strategies = {WriteStrategy(strategy): str(why) for strategy, why in values["ways"].items()}
        return VerifiedCapability(
            at, str(values["kind"]), strategies, values["search_lag"], tuple(values["left"])
        )
    except (KeyError, TypeError, ValueError):
        return None
