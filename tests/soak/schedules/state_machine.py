"""Random schedules: a Hypothesis state machine whose every rule is a step that can be written down and done again."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from fhir_pmp.crash_points import POINTS
from tests.soak.schedules.schedule import PromiseBroken, Schedule, ScheduleRun
from tests.soak.simulation.databases import Databases, SqliteFile

PEOPLE = (1, 2, 3)
OCCURRENCES = range(1, 5)
CRASH_POINT_NAMES = tuple(POINTS)
ALL_MOMENTS = ("request", "answer", "before commit", "committed", *CRASH_POINT_NAMES)
KINDS = (
    "Organization",
    "Questionnaire",
    "Patient",
    "EpisodeOfCare",
    "QuestionnaireResponse",
    "Observation",
    "Flag",
)
"""Of what we send and somebody else may."""
PAUSES = (0, 20, 100, 200, 4000)
"""Seconds: within a lease, at its margin, past it, past everything."""
RETRY_AFTER = (None, "7", "3600", "-5", "abc", "99999999999", "Fri, 20 Nov 2026 04:00:00 GMT")
STATUSES = (400, 401, 403, 408, 409, 410, 412, 422, 423, 429, 500, 502, 503, 504)
"""Not 404: a server that denies what it holds is believed, and what was written over it is its own loss."""
GATEWAY_STATUSES = (500, 502, 503, 504)
"""What may be answered though it was done. Any other status would say that it was not."""
CLOCK_JUMPS = (1, 5, 31, 90, 200, 1000, 4000, 90_000, -3600)

_people = st.sampled_from(PEOPLE)
_nth = st.integers(0, 40)


def _step(do: str, **values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"do": st.just(do), **values})


def _moment(
    at: Iterable[str], do: str, **values: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    nth = st.sampled_from(OCCURRENCES)
    return st.fixed_dictionaries({"at": st.sampled_from(tuple(at)), "nth": nth, "do": st.just(do), **values})


_status = {"status": st.sampled_from(STATUSES), "retry_after": st.sampled_from(RETRY_AFTER)}
KILL = _moment(ALL_MOMENTS, "die")
NETWORK = st.one_of(
    _moment(["request", "answer"], "reset"),
    _moment(["answer"], "timeout"),
    st.sampled_from(["cut off", "html", "empty", "no version"]).flatmap(lambda do: _moment(["answer"], do)),
    st.sampled_from(["refuse connection", "stale", "twice"]).flatmap(lambda do: _moment(["request"], do)),
    _moment(["request"], "status", **_status),
    _moment(
        ["answer"],
        "status",
        status=st.sampled_from(GATEWAY_STATUSES),
        retry_after=st.sampled_from(RETRY_AFTER),
    ),
)
INTAKE_KILL = st.one_of(
    st.just([]),
    st.just([]),
    st.lists(_moment(["before commit", "committed", "response kept", "facts written"], "die"), max_size=1),
)

ENROL = _step(
    "enrol",
    person=_people,
    share=st.sampled_from([True, True, True, False]),
    family=st.integers(0, 2),
    lessons=st.integers(0, 3),
    practice=st.sampled_from([None, 1, 2]),
    moments=INTAKE_KILL,
)
PHQ9 = _step(
    "respond",
    person=_people,
    instrument=st.just("phq9"),
    timepoint=st.sampled_from(["start", "post"]),
    values=st.lists(st.integers(0, 3), min_size=9, max_size=9),
    moments=INTAKE_KILL,
)
PEG = _step(
    "respond",
    person=_people,
    instrument=st.just("peg"),
    timepoint=st.sampled_from(["start", "post"]),
    values=st.lists(st.integers(0, 10), min_size=3, max_size=3),
    moments=INTAKE_KILL,
)
FACTS = st.one_of(
    ENROL,
    PHQ9,
    PEG,
    _step("withdraw", nth=_nth, moments=INTAKE_KILL),
    _step("acknowledge", nth=_nth, moments=INTAKE_KILL),
    _step("define", phone=st.integers(0, 2), moments=INTAKE_KILL),
)
EHR_EDITS = st.one_of(
    _step("edit", nth=_nth),
    _step("delete", nth=_nth),
    _step(
        "register",
        person=_people,
        kind=st.sampled_from(["plain", "plain", "inactive", "born otherwise", "second"]),
    ),
)
CLOCK = _step("clock", seconds=st.sampled_from(CLOCK_JUMPS))
_few_faults = st.lists(st.one_of(NETWORK, KILL), max_size=2)
MEANWHILE = _moment(
    [name for name in ALL_MOMENTS if name not in ("before commit", "response kept", "facts written")],
    "meanwhile",
    pause=st.sampled_from(PAUSES),
    steps=st.lists(
        st.one_of(FACTS, EHR_EDITS, _step("push", worker=st.just(1), moments=_few_faults)),
        min_size=1,
        max_size=3,
    ),
)
TAKEN_OVER_AFTER_LEASE = _moment(
    ["request", "answer", "lane claimed", "bundle answered"],
    "meanwhile",
    pause=st.sampled_from([200, 4000]),
    steps=st.sampled_from(["lane claimed", "bundle answered"]).map(
        lambda at: [{"do": "push", "worker": 1, "moments": [{"at": at, "nth": 1, "do": "die"}]}]
    ),
)
"""Past its lease another takes the lane and dies with it: what the first then says of it must not count."""
STOP = _moment(ALL_MOMENTS, "stop")
PUSH = _step(
    "push",
    worker=st.integers(0, 1),
    moments=st.lists(
        st.one_of(NETWORK, NETWORK, KILL, MEANWHILE, MEANWHILE, TAKEN_OVER_AFTER_LEASE, STOP), max_size=3
    ),
)
READ = st.one_of(
    *(
        _step(
            do,
            worker=st.integers(0, 1),
            moments=st.lists(st.one_of(NETWORK, KILL, MEANWHILE, STOP), max_size=2),
        )
        for do in ("pull", "reconcile")
    )
)
EHR_CONDITION = st.one_of(
    _step("ehr condition", kind=st.sampled_from(["healthy", "healthy", "down", "no answer", "lag"])),
    _step(
        "ehr condition",
        kind=st.just("status"),
        status=st.sampled_from([500, 503, 429]),
        retry_after=st.sampled_from(RETRY_AFTER),
    ),
)
EMPTY = st.one_of(
    _step("empty"),
    _step("empty", ids_again=st.just(True), foreign_types=st.lists(st.sampled_from(KINDS), max_size=12)),
)
OPERATOR = st.one_of(_step("replay"), _step("unpause"), _step("restart"))
SETTING = st.fixed_dictionaries(
    {
        "theirs": st.booleans(),
        "ids": st.sampled_from(["ours", "ours", "conditional update", "conditional create"]),
        "entries": st.sampled_from([500, 500, 4]),
        "bundles": st.sampled_from([True, True, True, False]),
        "per_lane": st.sampled_from([1000, 1000, 3]),
    }
)


@cache
def sqlite() -> Databases:
    """The database of this process."""
    return SqliteFile()


class ScheduleStateMachine(RuleBasedStateMachine):
    """One schedule. A history that breaks a promise fails it; what was done lies in `failed` as JSON then."""

    databases: ClassVar[Databases | None] = None  # None: the SQLite file of this process
    failure_file: ClassVar[Path | None] = None

    @initialize(setting=SETTING, phone=st.integers(0, 2))
    def begin(self, setting: dict[str, Any], phone: int) -> None:
        """The clinic opens, and knows one person whom the hospital knows too."""
        self.schedule = Schedule(setting, [])
        self.running = ScheduleRun(self.schedule, self.databases or sqlite())
        for step in (
            {"do": "define", "phone": phone},
            {"do": "register", "person": 1, "kind": "plain"},
            {"do": "enrol", "person": 1, "share": True},
        ):
            self._do(step)

    @rule(step=FACTS)
    def facts(self, step: dict[str, Any]) -> None:
        """Something is recorded."""
        self._do(step)

    @rule(step=st.one_of(PHQ9, PEG))
    def answers(self, step: dict[str, Any]) -> None:
        """Answers arrive, or amend."""
        self._do(step)

    @rule(step=PUSH)
    def push(self, step: dict[str, Any]) -> None:
        """A push, with what happens in the middle of it."""
        self._do(step)

    @rule(step=PUSH)
    def another_push(self, step: dict[str, Any]) -> None:
        """As often as all else together."""
        self._do(step)

    @rule(step=READ)
    def read(self, step: dict[str, Any]) -> None:
        """What changed at the EHR is read, or all of it is compared."""
        self._do(step)

    @rule(step=st.one_of(CLOCK, CLOCK, EHR_CONDITION))
    def time_and_ehr_condition(self, step: dict[str, Any]) -> None:
        """Time passes, or the EHR falls ill or recovers."""
        self._do(step)

    @rule(step=st.one_of(EHR_EDITS, EHR_EDITS, OPERATOR, EMPTY))
    def others(self, step: dict[str, Any]) -> None:
        """People at the EHR or an operator of ours do something."""
        self._do(step)

    def teardown(self) -> None:
        """All comes to rest, and the history is judged."""
        running = getattr(self, "running", None)
        if running is None:
            return
        try:
            if not running.failed:
                running.finish()
        except BaseException:
            self._save_schedule()
            raise
        finally:
            running.close()

    def _do(self, step: dict[str, Any]) -> None:
        try:
            self.running.do(step)
        except BaseException:
            self._save_schedule()
            raise

    def _save_schedule(self) -> None:
        if self.failure_file is not None:
            self.failure_file.write_text(json.dumps(self.schedule.values(), indent=1) + "\n")


__all__ = ["PromiseBroken", "ScheduleStateMachine"]
