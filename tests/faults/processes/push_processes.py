"""Sync processes of a test: started, waited for, stopped, continued and killed by their own pid."""

import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.integration.ehr.sample_resources import NOW

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass
class PushProcess:
    """One sync process."""

    process: subprocess.Popen[str]

    def wait(self, seconds: float = 60.0) -> int:
        """Its exit code; -9 where it was killed."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Kill -9."""
        self.process.send_signal(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: it is there and does nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)


@dataclass
class PushProcesses:
    """The sync processes of one test, over its database."""

    database: str
    started: list[PushProcess] = field(default_factory=list)

    def start(self, ehr: str, *, crash_at: str | None = None, starts_at: datetime = NOW) -> PushProcess:
        """Starts one that pushes once; its clock says `starts_at` as it starts."""
        command = [
            sys.executable,
            "-m",
            "tests.faults.processes.push_once",
            "--database",
            self.database,
            "--ehr",
            ehr,
        ]
        command += ["--starts-at", starts_at.isoformat()]
        if crash_at is not None:
            command += ["--crash-at", crash_at]
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, text=True)
        self.started.append(PushProcess(process))
        return self.started[-1]

    def run(self, ehr: str, *, crash_at: str | None = None, starts_at: datetime = NOW) -> int:
        """Starts one and waits for its end; its exit code."""
        return self.start(ehr, crash_at=crash_at, starts_at=starts_at).wait()

    def end(self) -> None:
        """Ends what still runs."""
        for sync in self.started:
            if sync.process.poll() is None:
                sync.resume()
                sync.kill()
                sync.wait()
