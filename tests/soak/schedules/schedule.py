"""A schedule as values, and the running of one: done step by step, brought to rest, judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.soak.checks.checker import check_history
from tests.soak.checks.violation import Violation
from tests.soak.schedules.steps import Step, do, run_until_settled
from tests.soak.simulation.databases import Databases
from tests.soak.simulation.simulation import ScheduleSetting, Simulation


class PromiseBroken(AssertionError):
    """A promise was broken."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("\n".join(map(str, violations)))
        self.violations = violations


@dataclass
class Schedule:
    """What kind of EHR, and what happens."""

    setting: Mapping[str, Any]
    steps: list[Step] = field(default_factory=list)

    def values(self) -> dict[str, Any]:
        """As JSON."""
        return {"setting": dict(self.setting), "steps": [dict(step) for step in self.steps]}


class ScheduleRun:
    """One schedule under way. `schedule.steps` grows with what is done."""

    def __init__(self, schedule: Schedule, databases: Databases) -> None:
        self.schedule = schedule
        self.failed = False
        self.simulation = Simulation(ScheduleSetting(**schedule.setting), databases.new(), databases.url)
        self.simulation.run_step = lambda step: do(self.simulation, step)

    def do(self, step: Step) -> None:
        """Does a step and writes it down. Raises what the product should not have raised."""
        self.schedule.steps.append(step)
        self.failed = True
        do(self.simulation, step)
        self.failed = False

    def finish(self) -> None:
        """Brings it to rest. Raises Broken."""
        run_until_settled(self.simulation)
        violations = check_history(self.simulation.history)
        if violations:
            raise PromiseBroken(violations)

    def close(self) -> None:
        """Ends what is open."""
        self.simulation.close()


def run_schedule(schedule: Mapping[str, Any], databases: Databases) -> Simulation:
    """Does a whole schedule. Raises Broken, and what the product should not have raised."""
    running = ScheduleRun(Schedule(schedule["setting"]), databases)
    try:
        for step in schedule["steps"]:
            running.do(step)
        running.finish()
    finally:
        running.close()
    return running.simulation
