"""Named places where a test may end the process as a power cut would; unarmed, which is always, they do nothing."""

import os
import signal

NAMES = (
    "lane claimed",  # the lease is committed, nothing is sent
    "bundle answered",  # the destination has stored it, we have not written that down
    "delivery settled",  # it is written down, the lane is still ours
    "lane released",  # all is written down
)

_armed: str | None = None


def arm(name: str) -> None:
    """Lets `reach(name)` kill this process. Only programs of the tests call it. Raises ValueError for a name unknown."""
    global _armed
    if name not in NAMES:
        raise ValueError("no crash point of that name")
    _armed = name


def reach(name: str) -> None:
    """The process is at this point."""
    if name == _armed:
        os.kill(os.getpid(), signal.SIGKILL)
