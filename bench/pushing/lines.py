"""The lines of `push`: our push beside the bare loop, into HAPIs of their own, in turns."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.house import SEED
from bench.measuring import in_turns, ratios, spread
from bench.pushing.cohort import Bundles, bundles_of, prepare
from bench.pushing.sides import pour, push, warm_hapi
from bench.report import Line

WARM_UP_PEOPLE = 10
CONNECTIONS = 4
"""Ours, as the setting has it unless told otherwise."""
BARE_CONNECTIONS = (4, 8)
OF_THE_BARE_LOOP = 0.7


def push_lines(rounds: int, people: int) -> Iterator[Line]:
    """Each round starts a HAPI for every side."""
    with TemporaryDirectory(prefix="bench-push-") as named:
        folder = Path(named)
        warm_up = bundles_of(prepare(folder, "warm-up", WARM_UP_PEOPLE, seed=SEED + 1))
        database = prepare(folder, "cohort", people)
        bundles = bundles_of(database)
        sides: dict[str, Callable[[], float]] = {
            "ours": lambda: _in_a_hapi(warm_up, lambda base: push(base, database, CONNECTIONS))
        }
        for count in BARE_CONNECTIONS:
            sides[f"bare, {count} connections"] = _bare(warm_up, bundles, count)
        took = in_turns(sides, rounds)
    resources = sum(body.count(b'"fullUrl"') for body in (*bundles.definitions, *bundles.of_people))
    told = {side: f"{resources / spread(seconds).median:,.0f}/s" for side, seconds in took.items()}
    ours = took.pop("ours")
    best = min(took, key=lambda side: spread(took[side]).median)
    yield Line(
        "push",
        f"{resources:,} resources of {people} people to HAPI: of the bare loop ({best})",
        ratios(took[best], ours),
        OF_THE_BARE_LOOP,
        sides=told,
    )


def _bare(warm_up: Bundles, bundles: Bundles, connections: int) -> Callable[[], float]:
    return lambda: _in_a_hapi(warm_up, lambda base: pour(base, bundles, connections))


def _in_a_hapi(warm_up: Bundles, work: Callable[[str], float]) -> float:
    with warm_hapi(warm_up) as base:
        return work(base)
