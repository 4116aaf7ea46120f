"""The schedules of one seed: run, counted, and a broken one kept as a file."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.soak.schedules.state_machine import ScheduleStateMachine

STEPS_PER_SCHEDULE = 25
SCHEDULES_PER_BATCH = 50
"""Schedules of one seed: a seed alone makes the same ones again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The schedules of one seed."""

    seed: int
    schedules: int
    shrink: bool
    failure_folder: Path


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What they came to."""

    seed: int
    schedules: int
    seconds: float
    broken: str | None


def run_batch(batch: Batch) -> BatchResult:
    """Runs one batch; a schedule that breaks a promise is shrunk, and left as a file."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    file = batch.failure_folder / f"seed-{batch.seed}.json"
    done = 0

    class CountedSchedules(ScheduleStateMachine):
        failure_file = file

        def teardown(self) -> None:
            nonlocal done
            done += 1
            super().teardown()

    started_at = time.perf_counter()
    try:
        run_state_machine_as_test(
            seed(batch.seed)(CountedSchedules),
            settings=settings(
                max_examples=batch.schedules,
                stateful_step_count=STEPS_PER_SCHEDULE,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate, Phase.shrink] if batch.shrink else [Phase.generate],
            ),
        )
    except Exception as broken:  # noqa: BLE001 - whatever it was is the result
        what = (
            f"{type(broken).__name__}: {str(broken).splitlines()[0] if str(broken) else ''} (kept as {file})"
        )
        return BatchResult(batch.seed, done, time.perf_counter() - started_at, what)
    return BatchResult(batch.seed, done, time.perf_counter() - started_at, None)
