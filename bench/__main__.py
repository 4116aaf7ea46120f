"""`make bench`: each line a ratio of two ways to do the same, measured in turns in one run."""

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
    """Measures what was asked for; 1 where a target was missed."""
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
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=f"which of {named}; all if none is named")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--rounds", type=int, help="how often each side has its turn")
    parser.add_argument("--responses", type=int, default=100_000, help="of `import`; 100,000 if not given")
    parser.add_argument("--people", type=int, default=200, help="of `push`; 200 if not given")
    parser.add_argument(
        "--with-forty", type=int, default=1_000, help="people of `deliver`, 40 responses each; 1,000"
    )
    asked = parser.parse_args()
    if not BENCHES.keys() >= set(asked.benches):
        parser.error(f"there are: {named}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
