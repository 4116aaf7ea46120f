"""Prints the measured ratios as a table or as JSON."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measurement import Spread


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One measured ratio with its target and the values of both sides."""

    bench: str
    what: str
    ratio: Spread
    target: float | None = None  # the least median allowed; None: no target of its own
    at_most: float | None = None
    sides: dict[str, str] = field(default_factory=dict)  # the value of each side, as text

    @property
    def is_reached(self) -> bool | None:
        """Whether the median reaches the target; None without a target."""
        if self.target is not None:
            return self.ratio.median >= self.target
        return None if self.at_most is None else self.ratio.median <= self.at_most

    @property
    def target_text(self) -> str:
        """The target as text."""
        if self.target is not None:
            return f"≥ {self.target:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"

    def as_json(self) -> dict[str, Any]:
        """Returns the line for `--json`."""
        return {
            "bench": self.bench,
            "what": self.what,
            "ratio": self.ratio.as_json(),
            "target": self.target_text or None,
            "reached": self.is_reached,
            "sides": self.sides,
        }


def machine() -> dict[str, Any]:
    """Returns the facts of the machine that measured."""
    return {
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def print_table(lines: Sequence[ReportLine]) -> None:
    """Prints the lines as a table."""
    on = machine()
    title = f"{on['processors']} processors, Python {on['python']}, load {on['load'][0]}"
    table = Table(title=title, title_justify="left")
    for name in ("bench", "what", "ratio", "min to max", "target", "", "values"):
        table.add_column(name, justify="right" if name in ("ratio", "min to max", "target") else "left")
    for line in lines:
        r = line.ratio
        result = {True: "reached", False: "MISSED", None: ""}[line.is_reached]
        values = ", ".join(f"{name} {value}" for name, value in line.sides.items())
        table.add_row(
            line.bench,
            line.what,
            _short(r.median),
            f"{_short(r.least)} to {_short(r.most)}",
            line.target_text,
            result,
            values,
        )
    Console(width=None if Console().is_terminal else 160).print(table)


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 20 else f"{ratio:.2f}"
