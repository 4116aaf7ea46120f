"""Starts push and bare-loop processes, and the server that stores nothing."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def null_server(milliseconds: float = 0.0) -> Iterator[str]:
    """Runs a server that stores nothing and answers after `milliseconds`; yields its address."""
    command = [sys.executable, "-m", "bench.delivery.null_server", str(milliseconds)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def run_concurrently(module: str, each: Sequence[Sequence[str]]) -> tuple[float, list[dict[str, Any]]]:
    """Starts processes and lets them work at the same time once all are ready.

    Returns the seconds until the last one is done, and the JSON output of each.
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for arguments in each
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    replies = []
    for process in started:
        assert process.stdout is not None
        replies.append(json.loads(process.stdout.readline()))
    seconds = time.perf_counter() - began
    for process in started:
        process.communicate(timeout=60)
    return seconds, replies
