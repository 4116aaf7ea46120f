"""Shows the demo's progress on the terminal."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

CONSOLE = Console(stderr=False, highlight=False, width=None if sys.stdout.isatty() else 120)


@contextmanager
def timed_step(what: str) -> Iterator[None]:
    """Shows a step without a count while it runs, and its duration at the end."""
    began = time.monotonic()
    with CONSOLE.status(what):
        yield
    CONSOLE.print(f"[green]done[/green]  {what} ({time.monotonic() - began:.1f} s)")


@contextmanager
def counted_step(what: str, total: int) -> Iterator["ProgressCounter"]:
    """Shows a long step with a progress bar."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = time.monotonic()
    with Progress(*columns, console=CONSOLE, transient=True, disable=not CONSOLE.is_terminal) as progress:
        counter = ProgressCounter(progress, total)
        yield counter
    CONSOLE.print(f"[green]done[/green]  {what}: {counter.total} ({time.monotonic() - began:.1f} s)")


class ProgressCounter:
    """The counter of one progress bar."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.total = total
        self._progress = progress
        self._task = progress.add_task("", total=total)

    def advance(self) -> None:
        """Counts one more as done."""
        self._progress.advance(self._task)

    def set_done(self, done: int, of: int | None = None) -> None:
        """Sets how many are done; `of` replaces the total where it has grown."""
        self.total = self.total if of is None else of
        self._progress.update(self._task, completed=done, total=self.total)
