"""Two ways to do the same, taken in turns: a ratio of every round, and what lies in their middle."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

Side = TypeVar("Side")


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle, the least and the greatest of what the rounds gave."""

    median: float
    least: float
    most: float

    def as_json(self) -> dict[str, float]:
        """For `--json`, with four digits that mean something."""
        return {name: float(f"{value:.4g}") for name, value in asdict(self).items()}


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def run_interleaved(sides: Mapping[str, Callable[[], Side]], rounds: int) -> dict[str, list[Side]]:
    """What each side gave in each round. Every other round goes the other way round: whoever is first gains nothing."""
    gave: dict[str, list[Side]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in names:
            gave[name].append(sides[name]())
    return gave


def ratios(over: Sequence[float], under: Sequence[float]) -> Spread:
    """The spread of the ratios, round by round."""
    return spread([a / b for a, b in zip(over, under, strict=True)])


def seconds_each(work: Callable[[], object], units: int, at_least: float) -> float:
    """Processor seconds of this process for one unit, the work (of so many units) repeated for so many seconds."""
    gc.collect()
    times = 0
    began = time.process_time()
    while (taken := time.process_time() - began) < at_least:
        work()
        times += 1
    return taken / (times * units)
