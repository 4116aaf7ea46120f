"""`make demo`: 200 synthetic people go all the way, from the GP's referral to a real EHR and a signed letter."""

import argparse
import sys
from contextlib import ExitStack

from demo.ehr import Ehr, choose_ehr
from demo.house import House
from demo.report import print_report, write_summary
from demo.story import tell
from demo.workplace import Workplace, open_workplace
from tests.neighbours.missing import PartMissing

PEOPLE = 200
PEOPLE_ELSEWHERE = 5
"""Somebody else's server is not ours to fill."""


def main() -> int:
    """Runs the demo; its exit status is 1 where something is missing or was not delivered."""
    asked = _arguments()
    workplace = open_workplace()
    with ExitStack() as stack:
        try:
            ehr = stack.enter_context(choose_ehr(asked.ehr, workplace))
        except PartMissing as missing:
            print(
                f'{missing}\nWithout it: make demo ARGS="--ehr stub" uses the small FHIR server of our tests.',
                file=sys.stderr,
            )
            return 1
        return _run(stack, workplace, ehr, asked.people, once=asked.once)


def _run(stack: ExitStack, workplace: Workplace, ehr: Ehr, people: int | None, *, once: bool) -> int:
    house = stack.enter_context(House(workplace, ehr))
    facts = tell(house, ehr, people or (PEOPLE_ELSEWHERE if ehr.is_elsewhere else PEOPLE))
    write_summary(workplace, facts)
    print_report(facts)
    if not once and facts.everything_there:
        house.wait_for_interrupt()
    return 0 if facts.everything_there else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="end when everything is delivered, instead of serving on"
    )
    parser.add_argument(
        "--ehr", default="hapi", help="hapi (built and started here), stub, or the address of a server"
    )
    parser.add_argument(
        "--people", type=int, help=f"how many; {PEOPLE}, or {PEOPLE_ELSEWHERE} for another server"
    )
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
