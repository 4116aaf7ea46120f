"""Both sides are compared once a night of the clinic, and by day only where the nights were missed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.schedule.ehr_read_jobs import is_due
from fhir_pmp.store.remote_state.reconciliation import Reconciliation

SYDNEY = ZoneInfo("Australia/Sydney")
NIGHT = datetime(2026, 6, 1, 2, 0, tzinfo=SYDNEY).astimezone(UTC)


def reconciliation(at: datetime, *, is_complete: bool = True) -> Reconciliation:
    """A comparison that began then."""
    return Reconciliation(at, at + timedelta(minutes=5) if is_complete else None, {})


@pytest.mark.parametrize(
    ("after_two", "last", "due"),
    [
        (timedelta(minutes=1), None, True),
        (timedelta(hours=8), None, False),  # the first day: nothing has been missed
        (timedelta(minutes=1), reconciliation(NIGHT - timedelta(hours=24)), True),
        (timedelta(hours=1), reconciliation(NIGHT + timedelta(minutes=1)), False),
        (timedelta(minutes=30), reconciliation(NIGHT + timedelta(minutes=1), is_complete=False), False),
        (timedelta(hours=2), reconciliation(NIGHT + timedelta(minutes=1), is_complete=False), True),
        (timedelta(hours=10), reconciliation(NIGHT - timedelta(hours=24)), False),
        (
            timedelta(hours=13),
            reconciliation(NIGHT - timedelta(hours=24)),
            True,
        ),  # the machine sleeps at night
    ],
)
def test_it_is_due_in_the_night_and_once(
    after_two: timedelta, last: Reconciliation | None, due: bool
) -> None:
    assert is_due(last, NIGHT + after_two, SYDNEY) is due


def test_a_night_in_which_the_clocks_change_is_a_night() -> None:
    forward = datetime(2026, 10, 4, 3, 30, tzinfo=SYDNEY).astimezone(UTC)  # 02:30 does not exist
    assert is_due(reconciliation(forward - timedelta(hours=25)), forward, SYDNEY)
