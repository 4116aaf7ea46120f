"""Runs `make demo`: 200 synthetic people, from referral to EHR and signed letter."""

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
"""Few, so that the demo does not fill the server of another organisation."""
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STUB_INSTEAD = 'Without it: make demo ARGS="--ehr stub" uses the small FHIR server of the tests instead.'


def main() -> int:
    """Runs the demo; returns 1 where a dependency is missing or a check fails."""
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
    """Ends the demo at the first signal and ignores further ones.

    A second Ctrl-C must not leave a process running.
    """
    for ending in END_SIGNALS:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--once",
        action="store_true",
        help="end when everything is delivered, instead of serving until Ctrl-C",
    )
    parser.add_argument(
        "--ehr", default="hapi", help="hapi (built and started here), stub, or the URL of a FHIR server"
    )
    parser.add_argument(
        "--people",
        type=_people,
        help=f"number of people; by default {PEOPLE}, or {PEOPLE_AT_EXTERNAL_EHR} for an external server",
    )
    parser.add_argument(
        "--folder", type=Path, default=DATA, help="folder for all files; by default demo/data"
    )
    return parser.parse_args()


def _people(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        CONSOLE.print("Every process that was started here has ended.")
        sys.exit(130)
