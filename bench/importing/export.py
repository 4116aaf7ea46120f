"""Writes a wide export of the demo's people with a given number of responses."""

from collections.abc import Iterator
from pathlib import Path

from bench.service import SEED, TODAY
from demo.people import Person, cohort, write_wide_csv

EVERYBODY = 1_000_000


def write_export(file: Path, responses: int) -> int:
    """Writes at least `responses` responses of complete people; returns how many."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        return write_wide_csv(_people(responses), opened)


def _people(responses: int) -> Iterator[Person]:
    written = 0
    for person in cohort(EVERYBODY, seed=SEED, today=TODAY):
        if written >= responses:
            return
        written += len(person.responses)
        yield person
