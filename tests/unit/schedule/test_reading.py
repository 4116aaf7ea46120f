"""Both sides are compared once a night of the clinic, and by day only where the nights were missed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.schedule.reading import is_due
from fhir_pmp.store.standing_book import Reconcile

SYDNEY = ZoneInfo("Australia/Sydney")
NIGHT = datetime(2026, 6, 1, 2, 0, tzinfo=SYDNEY).astimezone(UTC)


def compared(at: datetime, *, to_the_end: bool = True) -> Reconcile:
    """A comparison that began then."""
    return Reconcile(at, at + timedelta(minutes=5) if to_the_end else None, {})


@pytest.mark.parametrize(
    ("after_two", "last", "due"),
    [
        (timedelta(minutes=1), None, True),
        (timedelta(hours=8), None, False),  # the first day: nothing has been missed
        (timedelta(minutes=1), compared(NIGHT - timedelta(hours=24)), True),
        (timedelta(hours=1), compared(NIGHT + timedelta(minutes=1)), False),
        (timedelta(minutes=30), compared(NIGHT + timedelta(minutes=1), to_the_end=False), False),
        (timedelta(hours=2), compared(NIGHT + timedelta(minutes=1), to_the_end=False), True),
        (timedelta(hours=10), compared(NIGHT - timedelta(hours=24)), False),
        (timedelta(hours=13), compared(NIGHT - timedelta(hours=24)), True),  # the machine sleeps at night
    ],
)
def test_it_is_due_in_the_night_and_once(after_two: timedelta, last: Reconcile | None, due: bool) -> None:
    assert is_due(last, NIGHT + after_two, SYDNEY) is due


def test_a_night_in_which_the_clocks_change_is_a_night() -> None:
    forward = datetime(2026, 10, 4, 3, 30, tzinfo=SYDNEY).astimezone(UTC)  # 02:30 does not exist
    assert is_due(compared(forward - timedelta(hours=25)), forward, SYDNEY)
