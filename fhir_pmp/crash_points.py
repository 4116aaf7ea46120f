"""Defines crash points: named places where a test kills the process.

In production they do nothing.
"""

import os
import signal
from collections.abc import Mapping

POINTS: Mapping[str, str] = {
    "revision applied": "the tables have changed; the change is not committed",
    "response kept": "a response is written, its flag is not",
    "facts written": "all rows of a publishing transaction are written; nothing is committed",
    "facts committed": "facts and deliveries are committed; no worker has claimed them",
    "lane claimed": "the lease is committed; nothing is sent",
    "bundle answered": "the destination has stored the Bundle; its response is not recorded",
    "delivery settled": "the response is recorded; the lane is still leased",
    "lane released": "all results are recorded",
}
"""Each crash point by its name, with the state of the program there. A test runs all of them."""

TEST_BUILD = "FHIR_PMP_TEST_BUILD"
CRASH_AT = "FHIR_PMP_CRASH_AT"

_armed: str | None = None


def arm(name: str) -> None:
    """Makes `reach(name)` kill this process; for tests only. Raises ValueError for an unknown name."""
    global _armed
    if name not in POINTS:
        raise ValueError("no crash point of that name")
    _armed = name


def arm_from(environment: Mapping[str, str]) -> None:
    """Arms the crash point that the environment names, if any.

    For test processes. Raises ValueError for an unknown name.
    """
    if environment.get(TEST_BUILD) and environment.get(CRASH_AT):
        arm(environment[CRASH_AT])


def reach(name: str) -> None:
    """Kills the process if this crash point is armed."""
    if name == _armed:
        os.kill(os.getpid(), signal.SIGKILL)
