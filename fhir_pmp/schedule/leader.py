"""Which of several sync processes does what only one may do: it leads by a lease in the database."""

import os
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from uuid import uuid4

import structlog

from fhir_pmp.store import Store
from fhir_pmp.store.leases import TIMERS, JobLease

LEASE = timedelta(seconds=30)
"""So long after its leader was killed another process takes over."""
RENEWALS = 5
"""A lease is renewed so many times before it would end."""


class Leader:
    """This process's part in the leading. Safe to ask from any thread."""

    def __init__(self, store: Store, clock: Callable[[], datetime], duration: timedelta = LEASE) -> None:
        self._store = store
        self._clock = clock
        self._duration = duration
        # A name of its own for each start: a process number, or a container's host name, comes again.
        self.name = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        self._lease: JobLease | None = None
        self._lock = Lock()

    def acquire_or_renew(self, *, force: bool = False) -> None:
        """Takes the lead if nobody has it, renews it if it is ours. Raises StoreBusy."""
        with self._lock:
            before = self._lease
            with self._store.begin_without_publishing() as uow:
                self._lease = uow.leases.acquire(
                    TIMERS, self.name, now=self._clock(), duration=self._duration, force=force
                )
            if (before is None) != (self._lease is None):
                structlog.get_logger().info("leads" if self._lease else "leads no more", job=TIMERS)

    def is_leader(self) -> bool:
        """Whether this process leads, as far as it knows: the database knows better, and is asked at each write."""
        return self._lease is not None and self._clock() < self._lease.until

    def run(self, job: Callable[[Store], object]) -> bool:
        """Does the job with a store that writes only while the lead is ours; False where another process leads."""
        lease = self._lease
        if lease is None or not self.is_leader():
            return False
        job(self._store.fenced_by(lease))
        return True

    def release_lease(self) -> None:
        """Lets another process lead at once. What still runs here under the lead writes nothing more."""
        with self._lock:
            self._lease = None
            with self._store.begin_without_publishing() as uow:
                uow.leases.release_lease(TIMERS, self.name)
