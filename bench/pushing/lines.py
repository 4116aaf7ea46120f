"""Measures `push`: our push against the bare loop, alternately, each to its own HAPI."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measurement import ratios, run_interleaved, spread
from bench.pushing.prepared_cohort import capture_bundles, prepare_database
from bench.pushing.push_and_baseline import Timing, time_posting, time_push
from bench.report import ReportLine
from bench.service import SEED

WARM_UP_PEOPLE = 20
OURS = "ours"
CONNECTIONS = 4
"""Connections of our push: the default of the setting."""
BARE_CONNECTIONS = (4, 8)
OF_THE_BARE_LOOP = 0.7


def push_lines(rounds: int, people: int) -> Iterator[ReportLine]:
    """Yields the lines; each round starts a new HAPI for every side."""
    with TemporaryDirectory(prefix="bench-push-") as named:
        folder = Path(named)
        warm_up = capture_bundles(prepare_database(folder, "warm-up", WARM_UP_PEOPLE, seed=SEED + 1))
        database = prepare_database(folder, "cohort", people)
        bundles = capture_bundles(database)
        sides = {OURS: partial(time_push, warm_up, database, CONNECTIONS)}
        sides |= {
            f"bare, {count} connections": partial(time_posting, warm_up, bundles, count)
            for count in BARE_CONNECTIONS
        }
        took = run_interleaved(sides, rounds)
    resources = sum(body.count(b'"fullUrl"') for body in (*bundles.definitions, *bundles.of_people))
    best = min(
        took, key=lambda side: spread([one.seconds for one in took[side]]).median if side != OURS else inf
    )
    what = f"{resources:,} resources of {people} people to HAPI: of the bare loop"
    yield _ratio(what, took, best, lambda one: one.seconds, resources, OF_THE_BARE_LOOP)
    yield _ratio(
        "the same by processor time, HAPI's included", took, best, lambda one: one.cpu_seconds, resources
    )


def _ratio(
    what: str,
    took: Mapping[str, list[Timing]],
    best: str,
    of: Callable[[Timing], float],
    resources: int,
    target: float | None = None,
) -> ReportLine:
    values = {side: [of(one) for one in ones] for side, ones in took.items()}
    rates = {side: f"{resources / spread(ones).median:,.0f}/s" for side, ones in values.items()}
    return ReportLine("push", what, ratios(values[best], values[OURS]), target, sides=rates)
