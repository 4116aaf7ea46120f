"""`make demo`: 200 synthetic people go all the way, from the GP's referral to a real EHR and a signed letter."""

import argparse
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import requests

from demo.clinician import PageRefused
from demo.ehr import Ehr, NoFhirServer, choose_ehr
from demo.house import CommandFailed, House
from demo.progress import CONSOLE
from demo.report import print_report, write_summary
from demo.story import tell
from demo.workplace import DATA, Workplace, open_workplace
from tests.hapi.server import HapiDidNotStart
from tests.neighbours.missing import PartMissing

PEOPLE = 200
PEOPLE_ELSEWHERE = 5
"""Somebody else's server is not ours to fill."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STUB_INSTEAD = 'Without it: make demo ARGS="--ehr stub" uses the small FHIR server of our tests, and says so.'


def main() -> int:
    """Runs the demo; its exit status is 1 where something is missing or is not as it should be."""
    asked = _arguments()
    for ending in ENDINGS:
        signal.signal(ending, _end_once)
    workplace = open_workplace(asked.ehr, asked.folder)
    try:
        with ExitStack() as stack:
            ehr = stack.enter_context(choose_ehr(asked.ehr, workplace))
            return _run(stack, workplace, ehr, asked.people, once=asked.once)
    except PartMissing as missing:
        print(f"{missing}\n{STUB_INSTEAD}", file=sys.stderr)
    except (
        HapiDidNotStart,
        NoFhirServer,
        CommandFailed,
        PageRefused,
        requests.RequestException,
        RuntimeError,
    ) as f:
        print(f"{f}\nThe logs are in {workplace.folder}.", file=sys.stderr)
    return 1


def _run(stack: ExitStack, workplace: Workplace, ehr: Ehr, people: int | None, *, once: bool) -> int:
    house = stack.enter_context(House(workplace, ehr))
    facts = tell(house, ehr, people or (PEOPLE_ELSEWHERE if ehr.is_elsewhere else PEOPLE))
    write_summary(workplace, facts)
    print_report(facts, serves=not once)
    if not once:
        house.wait_for_interrupt()
    return 0 if facts.all_went_well else 1


def _end_once(number: int, frame: FrameType | None) -> None:
    """The first Ctrl-C ends everything in an orderly way; a second one does not leave half of it running."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="end when everything is delivered, instead of serving on"
    )
    parser.add_argument(
        "--ehr", default="hapi", help="hapi (built and started here), stub, or the address of a server"
    )
    parser.add_argument(
        "--people", type=_people, help=f"how many; {PEOPLE}, or {PEOPLE_ELSEWHERE} for another server"
    )
    parser.add_argument("--folder", type=Path, default=DATA, help="where everything is kept; demo/data")
    return parser.parse_args()


def _people(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError("takes a number from 1")
    return int(text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        CONSOLE.print("Every process that was started here has ended.")
        sys.exit(130)
