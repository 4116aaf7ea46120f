"""Which of several sync processes does what only one may do: it leads by a lease in the database."""

import os
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from uuid import uuid4

import structlog

from fhir_pmp.store import Store
from fhir_pmp.store.leases import TIMERS, Duty

LEASE = timedelta(seconds=30)
"""So long after its leader was killed another process takes over."""
RENEWALS = 5
"""A lease is renewed so many times before it would end."""


class Leader:
    """This process's part in the leading. Safe to ask from any thread."""

    def __init__(self, store: Store, clock: Callable[[], datetime], lasts: timedelta = LEASE) -> None:
        self._store = store
        self._clock = clock
        self._lasts = lasts
        # A name of its own for each start: a process number, or a container's host name, comes again.
        self.name = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        self._duty: Duty | None = None
        self._lock = Lock()

    def keep(self, *, by_force: bool = False) -> None:
        """Takes the lead if nobody has it, renews it if it is ours. Raises StoreBusy."""
        with self._lock:
            before = self._duty
            with self._store.begin_beside() as books:
                self._duty = books.leases.take(
                    TIMERS, self.name, now=self._clock(), lasts=self._lasts, by_force=by_force
                )
            if (before is None) != (self._duty is None):
                structlog.get_logger().info("leads" if self._duty else "leads no more", job=TIMERS)

    def leads(self) -> bool:
        """Whether this process leads, as far as it knows: the database knows better, and is asked at each write."""
        return self._duty is not None and self._clock() < self._duty.until

    def run(self, job: Callable[[Store], object]) -> bool:
        """Does the job with a store that writes only while the lead is ours; False where another process leads."""
        duty = self._duty
        if duty is None or not self.leads():
            return False
        job(self._store.under(duty))
        return True

    def give_back(self) -> None:
        """Lets another process lead at once. What still runs here under the lead writes nothing more."""
        with self._lock:
            self._duty = None
            with self._store.begin_beside() as books:
                books.leases.give_back(TIMERS, self.name)
