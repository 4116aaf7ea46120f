"""What the person at the terminal sees while the demo works."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

CONSOLE = Console(stderr=False, highlight=False, width=None if sys.stdout.isatty() else 120)


@contextmanager
def timed_step(what: str) -> Iterator[None]:
    """A step without a count: said when it begins and when it is done."""
    began = time.monotonic()
    with CONSOLE.status(what):
        yield
    CONSOLE.print(f"[green]done[/green]  {what} ({time.monotonic() - began:.1f} s)")


@contextmanager
def counted_step(what: str, total: int) -> Iterator["ProgressCounter"]:
    """A long step with a progress bar."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = time.monotonic()
    with Progress(*columns, console=CONSOLE, transient=True, disable=not CONSOLE.is_terminal) as progress:
        counter = ProgressCounter(progress, total)
        yield counter
    CONSOLE.print(f"[green]done[/green]  {what}: {counter.total} ({time.monotonic() - began:.1f} s)")


class ProgressCounter:
    """Counts on one bar."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.total = total
        self._progress = progress
        self._task = progress.add_task("", total=total)

    def one(self) -> None:
        """One more is done."""
        self._progress.advance(self._task)

    def at(self, done: int, of: int | None = None) -> None:
        """So many are done, of as many as were told, or of more by now."""
        self.total = self.total if of is None else of
        self._progress.update(self._task, completed=done, total=self.total)
