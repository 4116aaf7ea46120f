"""Random schedules of events, faults, crashes and clocks break no promise, over both databases; `make soak` runs more."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from tests.soak.batches import STEPS_PER_SCHEDULE
from tests.soak.schedules.schedule import run_schedule
from tests.soak.schedules.state_machine import ScheduleStateMachine
from tests.soak.simulation.databases import Databases

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.json"))
SEEDS = (1, 2, 3)


@pytest.mark.promise("P1", "P2", "P3", "P4", "P7", "P9", "P12", "P22", "P23")
@pytest.mark.parametrize("seed", SEEDS)
def test_random_schedules_break_no_promise(seed: int, sqlite: Databases, tmp_path: Path) -> None:
    print("seed", seed)
    _run(seed, 50, sqlite, tmp_path)


@pytest.mark.promise("P1")
@pytest.mark.parametrize("seed", [5])
def test_random_schedules_break_no_promise_on_postgresql(
    seed: int, postgres: Databases, tmp_path: Path
) -> None:
    print("seed", seed)
    _run(seed, 15, postgres, tmp_path)


@pytest.mark.promise("P7")
@pytest.mark.parametrize("file", FIXTURES, ids=[file.stem for file in FIXTURES])
def test_a_schedule_that_once_broke_a_promise_breaks_none_now(file: Path, sqlite: Databases) -> None:
    run_schedule(json.loads(file.read_text()), sqlite)


def _run(seed: int, schedules: int, databases: Databases, failure_file: Path) -> None:
    """Where it fails, the shrunk schedule lies in `kept_in`: once mended, it goes to tests/soak/fixtures."""

    class SeededSchedules(ScheduleStateMachine):
        pass

    SeededSchedules.databases = databases
    SeededSchedules.failure_file = failure_file / f"seed-{seed}.json"
    few = settings(
        max_examples=schedules,
        stateful_step_count=STEPS_PER_SCHEDULE,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    run_state_machine_as_test(seeded(seed)(SeededSchedules), settings=few)
