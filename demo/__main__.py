"""`make demo`: 200 synthetic people go all the way, from the GP's referral to a real EHR and a signed letter."""

import argparse
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import requests

from demo.ehr import Ehr, NoFhirServer, open_ehr
from demo.page_client import PageRefused
from demo.progress import CONSOLE
from demo.report import print_report, write_summary
from demo.run_folder import DATA, RunFolder, open_run_folder
from demo.scenario import run_scenario
from demo.service import CommandFailed, DemoService
from tests.backing_services.dependency_missing import DependencyMissing
from tests.hapi.server import HapiDidNotStart

PEOPLE = 200
PEOPLE_AT_EXTERNAL_EHR = 5
"""Somebody else's server is not ours to fill."""
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STUB_INSTEAD = 'Without it: make demo ARGS="--ehr stub" uses the small FHIR server of our tests, and says so.'


def main() -> int:
    """Runs the demo; its exit status is 1 where something is missing or is not as it should be."""
    arguments = _arguments()
    for ending in END_SIGNALS:
        signal.signal(ending, _end_once)
    run_folder = open_run_folder(arguments.ehr, arguments.folder)
    try:
        with ExitStack() as stack:
            ehr = stack.enter_context(open_ehr(arguments.ehr, run_folder))
            return _run(stack, run_folder, ehr, arguments.people, once=arguments.once)
    except DependencyMissing as missing:
        print(f"{missing}\n{STUB_INSTEAD}", file=sys.stderr)
    except (
        HapiDidNotStart,
        NoFhirServer,
        CommandFailed,
        PageRefused,
        requests.RequestException,
        RuntimeError,
    ) as f:
        print(f"{f}\nThe logs are in {run_folder.folder}.", file=sys.stderr)
    return 1


def _run(stack: ExitStack, run_folder: RunFolder, ehr: Ehr, people: int | None, *, once: bool) -> int:
    service = stack.enter_context(DemoService(run_folder, ehr))
    result = run_scenario(service, ehr, people or (PEOPLE_AT_EXTERNAL_EHR if ehr.is_external else PEOPLE))
    write_summary(run_folder, result)
    print_report(result, serves=not once)
    if not once:
        service.wait_for_interrupt()
    return 0 if result.is_successful else 1


def _end_once(number: int, frame: FrameType | None) -> None:
    """The first Ctrl-C ends everything in an orderly way; a second one does not leave half of it running."""
    for ending in END_SIGNALS:
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
        "--people", type=_people, help=f"how many; {PEOPLE}, or {PEOPLE_AT_EXTERNAL_EHR} for another server"
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
