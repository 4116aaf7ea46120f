"""Elects the sync process that runs the timers, by a job lease in the database."""

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
"""The duration of the lease: after it another process replaces a killed leader."""
RENEWALS = 5
"""How many times a lease is renewed before it would end."""


class Leader:
    """This process as a candidate for leader. Thread-safe."""

    def __init__(self, store: Store, clock: Callable[[], datetime], duration: timedelta = LEASE) -> None:
        self._store = store
        self._clock = clock
        self._duration = duration
        # A unique name for each start: process numbers and container host names are reused.
        self.name = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        self._lease: JobLease | None = None
        self._lock = Lock()

    def acquire_or_renew(self, *, force: bool = False) -> None:
        """Takes the lease if it is free; renews it if this process holds it.

        `force` takes it from another holder too. Raises StoreBusy.
        """
        with self._lock:
            before = self._lease
            with self._store.begin_without_publishing() as uow:
                self._lease = uow.leases.acquire(
                    TIMERS, self.name, now=self._clock(), duration=self._duration, force=force
                )
            if (before is None) != (self._lease is None):
                structlog.get_logger().info("leads" if self._lease else "leads no more", job=TIMERS)

    def is_leader(self) -> bool:
        """Whether this process believes it leads; each write checks it in the database."""
        return self._lease is not None and self._clock() < self._lease.until

    def run(self, job: Callable[[Store], object]) -> bool:
        """Runs the job with a store fenced by the lease; False if another process leads."""
        lease = self._lease
        if lease is None or not self.is_leader():
            return False
        job(self._store.fenced_by(lease))
        return True

    def release_lease(self) -> None:
        """Releases the lease, so that another process can lead at once.

        Jobs that still run here can no longer write.
        """
        with self._lock:
            self._lease = None
            with self._store.begin_without_publishing() as uow:
                uow.leases.release_lease(TIMERS, self.name)
