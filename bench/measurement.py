"""Measures two ways to do the same alternately, and compares them round by round."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

Side = TypeVar("Side")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, minimum and maximum over the rounds."""

    median: float
    least: float
    most: float

    def as_json(self) -> dict[str, float]:
        """Returns the values for `--json`, with four significant digits."""
        return {name: float(f"{value:.4g}") for name, value in asdict(self).items()}


def spread(values: Sequence[float]) -> Spread:
    """Returns the spread of one or more values."""
    return Spread(statistics.median(values), min(values), max(values))


def run_interleaved(sides: Mapping[str, Callable[[], Side]], rounds: int) -> dict[str, list[Side]]:
    """Runs each side in each round and returns the results by side.

    Every second round runs in reverse order, so that no side gains from being first.
    """
    results: dict[str, list[Side]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in names:
            results[name].append(sides[name]())
    return results


def ratios(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Returns the spread of the ratios, round by round."""
    return spread([a / b for a, b in zip(over, under, strict=True)])


def seconds_each(work: Callable[[], object], units: int, at_least: float) -> float:
    """Returns the processor seconds for one unit of work.

    The work, of `units` units, is repeated for `at_least` seconds.
    """
    gc.collect()
    times = 0
    began = time.process_time()
    while (taken := time.process_time() - began) < at_least:
        work()
        times += 1
    return taken / (times * units)
