"""What was measured, as a table and as JSON."""

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
    """One ratio, what it must reach, and what stood behind it."""

    bench: str
    what: str
    ratio: Spread
    target: float | None = None  # at least this; None: shown beside a line that has one
    at_most: float | None = None
    sides: dict[str, str] = field(default_factory=dict)  # what each side took, in words

    @property
    def is_reached(self) -> bool | None:
        """Whether the median reaches the target; None where there is none."""
        if self.target is not None:
            return self.ratio.median >= self.target
        return None if self.at_most is None else self.ratio.median <= self.at_most

    @property
    def target_text(self) -> str:
        """The target in words."""
        if self.target is not None:
            return f"≥ {self.target:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "bench": self.bench,
            "what": self.what,
            "ratio": self.ratio.as_json(),
            "target": self.target_text or None,
            "reached": self.is_reached,
            "sides": self.sides,
        }


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def print_table(lines: Sequence[ReportLine]) -> None:
    """The lines as a table for people."""
    on = machine()
    title = f"{on['processors']} processors, Python {on['python']}, load {on['load'][0]}"
    table = Table(title=title, title_justify="left")
    for name in ("bench", "what", "ratio", "least to most", "target", "", "behind it"):
        table.add_column(name, justify="right" if name in ("ratio", "least to most", "target") else "left")
    for line in lines:
        r = line.ratio
        verdict = {True: "reached", False: "MISSED", None: ""}[line.is_reached]
        behind = ", ".join(f"{name} {value}" for name, value in line.sides.items())
        table.add_row(
            line.bench,
            line.what,
            _short(r.median),
            f"{_short(r.least)} to {_short(r.most)}",
            line.target_text,
            verdict,
            behind,
        )
    Console(width=None if Console().is_terminal else 160).print(table)


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 20 else f"{ratio:.2f}"
