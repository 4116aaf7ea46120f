"""Runs `make bench`: each line is the ratio of two ways, measured alternately."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable

from bench.delivery.lines import deliver_lines
from bench.importing.lines import import_lines
from bench.pushing.lines import push_lines
from bench.rendering.lines import render_lines
from bench.report import ReportLine, machine, print_table
from fhir_pmp.logs import start_logging

BENCHES: dict[str, Callable[[argparse.Namespace], Iterable[ReportLine]]] = {
    "render": lambda asked: render_lines(asked.rounds or 9, 0.05),
    "import": lambda asked: import_lines(asked.rounds or 3, asked.responses),
    "push": lambda asked: push_lines(asked.rounds or 2, asked.people),
    "deliver": lambda asked: deliver_lines(asked.rounds or 2, asked.with_forty),
}


def main() -> int:
    """Runs the selected benchmarks; returns exit status 1 where a target was missed."""
    asked = _arguments()
    start_logging("warning")
    lines = [line for name in asked.benches or BENCHES for line in BENCHES[name](asked)]
    if asked.json:
        print(json.dumps({"machine": machine(), "lines": [line.as_json() for line in lines]}, indent=2))
    else:
        print_table(lines)
    return int(any(line.is_reached is False for line in lines))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    named = ", ".join(BENCHES)
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=f"any of {named}; by default all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--rounds", type=int, help="number of measurements of each side")
    parser.add_argument(
        "--responses", type=int, default=100_000, help="responses in `import`; by default 100,000"
    )
    parser.add_argument("--people", type=int, default=200, help="people in `push`; by default 200")
    parser.add_argument(
        "--with-forty",
        type=int,
        default=1_000,
        help="people in `deliver`, with 40 responses each; by default 1,000",
    )
    asked = parser.parse_args()
    if not BENCHES.keys() >= set(asked.benches):
        parser.error(f"BENCH must be one of {named}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
