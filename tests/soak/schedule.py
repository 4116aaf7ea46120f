"""A schedule as values, and the running of one: done step by step, brought to rest, judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.soak.checker import judge
from tests.soak.checks.violation import Violation
from tests.soak.databases import Databases
from tests.soak.steps import Step, come_to_rest, do
from tests.soak.world import Setting, World


class Broken(AssertionError):
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


class Running:
    """One schedule under way. `schedule.steps` grows with what is done."""

    def __init__(self, schedule: Schedule, databases: Databases) -> None:
        self.schedule = schedule
        self.failed = False
        self.world = World(Setting(**schedule.setting), databases.new(), databases.url)
        self.world.do_meanwhile = lambda step: do(self.world, step)

    def do(self, step: Step) -> None:
        """Does a step and writes it down. Raises what the product should not have raised."""
        self.schedule.steps.append(step)
        self.failed = True
        do(self.world, step)
        self.failed = False

    def finish(self) -> None:
        """Brings it to rest. Raises Broken."""
        come_to_rest(self.world)
        violations = judge(self.world.history)
        if violations:
            raise Broken(violations)

    def close(self) -> None:
        """Ends what is open."""
        self.world.close()


def run(schedule: Mapping[str, Any], databases: Databases) -> World:
    """Does a whole schedule. Raises Broken, and what the product should not have raised."""
    running = Running(Schedule(schedule["setting"]), databases)
    try:
        for step in schedule["steps"]:
            running.do(step)
        running.finish()
    finally:
        running.close()
    return running.world
