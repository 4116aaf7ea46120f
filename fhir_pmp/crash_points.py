"""Named places where a test may end the process as a power cut would; unarmed, which is always, they do nothing."""

import os
import signal
from collections.abc import Mapping

POINTS: Mapping[str, str] = {
    "revision applied": "the tables have changed, and nothing of it is committed",
    "response kept": "a response is written and its flag is not",
    "facts written": "everything of a transaction that publishes is written, and nothing is committed",
    "facts committed": "the facts and what is to be sent are committed, and nobody has claimed it",
    "lane claimed": "the lease is committed, and nothing is sent",
    "bundle answered": "the destination has stored it, and we have not written that down",
    "delivery settled": "it is written down, and the lane is still ours",
    "lane released": "all is written down",
}
"""Each place by its name, with what is true there. A test walks all of them: a new one needs a program that reaches it."""

TEST_BUILD = "FHIR_PMP_TEST_BUILD"
CRASH_AT = "FHIR_PMP_CRASH_AT"

_armed: str | None = None


def arm(name: str) -> None:
    """Lets `reach(name)` kill this process. Only programs of the tests call it. Raises ValueError for a name unknown."""
    global _armed
    if name not in POINTS:
        raise ValueError("no crash point of that name")
    _armed = name


def arm_from(environment: Mapping[str, str]) -> None:
    """Arms what a test build's environment names; any other environment arms nothing. Raises ValueError."""
    if environment.get(TEST_BUILD) and environment.get(CRASH_AT):
        arm(environment[CRASH_AT])


def reach(name: str) -> None:
    """The process is at this point."""
    if name == _armed:
        os.kill(os.getpid(), signal.SIGKILL)
