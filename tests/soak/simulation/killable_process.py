"""A process of ours that can be killed: its threads unwind, and nothing of it touches database or network again."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fhir_pmp import crash_points
from fhir_pmp.store import Store, UnitOfWork

Moment = dict[str, Any]
"""{"at": name of the moment, "nth": which time in the step, "do": what then happens, ...}"""


class Killed(BaseException):
    """The process was killed where this was raised. Not an Exception: nobody may hold it up."""


class KillableProcess:
    """One life of a process. `meet` is what the world does at a moment that is not the end of it."""

    def __init__(self, number: int, store: Store, on_meanwhile: Callable[[Moment], None]) -> None:
        self.number = number
        self.is_killed = False
        self.stop = threading.Event()
        self.open_transactions = 0  # transactions that are open
        self.store = KillableStore(store, self)
        self._on_meanwhile = on_meanwhile
        self._moments: Sequence[Moment] = ()
        self._reached: Counter[str] = Counter()

    def plan_moments(self, moments: Sequence[Moment]) -> None:
        """What is to happen in the step that begins now."""
        self._moments = moments
        self._reached.clear()

    def reach(self, name: str) -> list[Moment]:
        """The process is at this moment. Dies or meets the world; what is to be done to the wire comes back."""
        self.raise_if_killed()
        self._reached[name] += 1
        here = [m for m in self._moments if m["at"] == name and m["nth"] == self._reached[name]]
        for moment in here:
            if moment["do"] == "die":
                self.is_killed = True
                self.raise_if_killed()
            if moment["do"] == "stop":
                self.stop.set()
            # Who holds the one write lock holds up everybody: nobody else goes on meanwhile.
            if moment["do"] == "meanwhile" and not self.open_transactions:
                self._on_meanwhile(moment)
        return [m for m in here if m["do"] not in ("die", "stop", "meanwhile")]

    def raise_if_killed(self) -> None:
        """Raises Killed in a dead process."""
        if self.is_killed:
            raise Killed


class KillableStore(Store):
    """The store as one process has it: before and after every commit it may be killed."""

    def __init__(self, real: Store, process: KillableProcess) -> None:
        self._real = real
        self._process = process
        self.on_commit: Callable[[], None] = lambda: None

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """A transaction that publishes."""
        with self._observed(), self._real.begin() as uow:
            yield uow
            self._process.reach("before commit")

    @contextmanager
    def begin_without_publishing(self) -> Iterator[UnitOfWork]:
        """A transaction for book-keeping."""
        with self._observed(), self._real.begin_without_publishing() as uow:
            yield uow
            self._process.reach("before commit")

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """Reads."""
        self._process.raise_if_killed()
        with self._real.read() as uow:
            yield uow

    @contextmanager
    def _observed(self) -> Iterator[None]:
        self._process.raise_if_killed()
        self._process.open_transactions += 1
        try:
            yield
        finally:
            self._process.open_transactions -= 1
        self.on_commit()
        self._process.reach("committed")


@contextmanager
def crash_points_hooked(hook: Callable[[str], None]) -> Iterator[None]:
    """While it lasts, every `reach(name)` of the product calls the hook: a crash point is a moment like any other."""
    was = crash_points.reach
    modules = [m for name, m in sys.modules.items() if name.startswith("fhir_pmp.")]
    holding = [m for m in modules if getattr(m, "reach", None) is was]
    try:
        for module in holding:
            module.reach = hook  # type: ignore[attr-defined]
        yield
    finally:
        for module in holding:
            module.reach = was  # type: ignore[attr-defined]
