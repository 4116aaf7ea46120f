"""A process of ours that can be killed: its threads unwind, and nothing of it touches database or network again."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fhir_pmp import crash_points
from fhir_pmp.store import Books, Store

Moment = dict[str, Any]
"""{"at": name of the moment, "nth": which time in the step, "do": what then happens, ...}"""


class Killed(BaseException):
    """The process was killed where this was raised. Not an Exception: nobody may hold it up."""


class Process:
    """One life of a process. `meet` is what the world does at a moment that is not the end of it."""

    def __init__(self, number: int, store: Store, meet: Callable[[Moment], None]) -> None:
        self.number = number
        self.dead = False
        self.stop = threading.Event()
        self.inside = 0  # transactions that are open
        self.store = MortalStore(store, self)
        self._meet = meet
        self._moments: Sequence[Moment] = ()
        self._reached: Counter[str] = Counter()

    def expect(self, moments: Sequence[Moment]) -> None:
        """What is to happen in the step that begins now."""
        self._moments = moments
        self._reached.clear()

    def reach(self, name: str) -> list[Moment]:
        """The process is at this moment. Dies or meets the world; what is to be done to the wire comes back."""
        self.must_live()
        self._reached[name] += 1
        here = [m for m in self._moments if m["at"] == name and m["nth"] == self._reached[name]]
        for moment in here:
            if moment["do"] == "die":
                self.dead = True
                self.must_live()
            if moment["do"] == "stop":
                self.stop.set()
            # Who holds the one write lock holds up everybody: nobody else goes on meanwhile.
            if moment["do"] == "meanwhile" and not self.inside:
                self._meet(moment)
        return [m for m in here if m["do"] not in ("die", "stop", "meanwhile")]

    def must_live(self) -> None:
        """Raises Killed in a dead process."""
        if self.dead:
            raise Killed


class MortalStore(Store):
    """The store as one process has it: before and after every commit it may be killed."""

    def __init__(self, real: Store, process: Process) -> None:
        self._real = real
        self._process = process
        self.committed: Callable[[], None] = lambda: None

    @contextmanager
    def begin(self) -> Iterator[Books]:
        """A transaction that publishes."""
        with self._told(), self._real.begin() as books:
            yield books
            self._process.reach("before commit")

    @contextmanager
    def begin_beside(self) -> Iterator[Books]:
        """A transaction for book-keeping."""
        with self._told(), self._real.begin_beside() as books:
            yield books
            self._process.reach("before commit")

    @contextmanager
    def read(self) -> Iterator[Books]:
        """Reads."""
        self._process.must_live()
        with self._real.read() as books:
            yield books

    @contextmanager
    def _told(self) -> Iterator[None]:
        self._process.must_live()
        self._process.inside += 1
        try:
            yield
        finally:
            self._process.inside -= 1
        self.committed()
        self._process.reach("committed")


@contextmanager
def crash_points_told(hook: Callable[[str], None]) -> Iterator[None]:
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
