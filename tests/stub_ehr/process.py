"""Starts the stub EHR as a process of its own and ends it again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


class StubProcess:
    """A running stub EHR. `kill` is kill -9; `start` after it takes the same port, and its file if it has one."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self.address = ""

    def start(self) -> "StubProcess":
        """Starts the server and waits until it listens."""
        command = [sys.executable, "-m", "tests.stub_ehr", "--port", str(self._port), *self._arguments]
        self._process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        if not self.address:
            raise RuntimeError("the stub EHR did not start")
        self._port = int(self.address.split(":")[2].split("/")[0])
        return self

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._end(hard=True)

    def stop(self) -> None:
        """Asks it to end."""
        self._end(hard=False)

    def _end(self, *, hard: bool) -> None:
        if self._process is None:
            return
        if hard:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None


@contextmanager
def stub_ehr(*arguments: str) -> Iterator[StubProcess]:
    """A stub EHR for as long as the block runs. `arguments` as `python -m tests.stub_ehr --help` lists them."""
    process = StubProcess(*arguments).start()
    try:
        yield process
    finally:
        process.stop()
