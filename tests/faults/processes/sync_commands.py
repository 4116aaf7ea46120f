"""Whole sync processes of a test, as an operator runs them: started, read, stopped and killed by their own pid."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults.processes.push_processes import REPOSITORY

TIMEOUT_SECONDS = 40.0
"""Seconds for anything here, on a busy machine."""


@dataclass
class SyncCommand:
    """One `fhir-pmp sync`; what it logs goes to a file."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """Everything it logged so far."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def timer_runs(self, job: str) -> list[datetime]:
        """When it did this timer's job."""
        return [
            datetime.fromisoformat(line["timestamp"])
            for line in self.lines()
            if line["event"] == "timer ran" and line["job"] == job
        ]

    def wait_for(self, event: str) -> None:
        """Returns once it logged this."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not any(line["event"] == event for line in self.lines()):
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"it never logged {event!r}: {self.log.read_text()[-2000:]}"
            time.sleep(0.05)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # it says where each of its threads stands
            self.process.wait(TIMEOUT_SECONDS)
            raise AssertionError(f"it did not end: {self.log.read_text()[-20000:]}") from None

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait(TIMEOUT_SECONDS)


@dataclass
class SyncCommands:
    """The sync processes of one test, over its database."""

    database: str
    folder: Path
    started: list[SyncCommand] = field(default_factory=list)

    def start(
        self, ehr: str | None = None, *, lease: float = 30.0, finish_seconds: float = 15.0
    ) -> SyncCommand:
        """Starts one that looks for work every second. Its lease and its patience with what is under way: seconds."""
        log = self.folder / f"sync-{len(self.started)}.log"
        environment = {
            **os.environ,
            "FHIR_PMP_DATABASE_URL": self.database,
            "FHIR_PMP_CANONICAL_BASE": "https://clinic.example/fhir",
            "FHIR_PMP_ID_SECRET": "0123456789abcdef0123456789abcdef",
            "FHIR_PMP_SECRET_KEY": "fedcba9876543210fedcba9876543210",
            "FHIR_PMP_CLINIC_ZONE": "Australia/Sydney",
            "FHIR_PMP_SYNC_SECONDS": "1",
            "FHIR_PMP_LOG_LEVEL": "debug",
            **({"FHIR_PMP_DESTINATIONS": f"hapi={ehr}"} if ehr else {}),
        }
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "tests.faults.processes.short_lease_sync",
            "--lease",
            str(lease),
        ]
        command += ["--finish-seconds", str(finish_seconds)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=output
            )
        self.started.append(SyncCommand(process, log))
        return self.started[-1]

    def end(self) -> None:
        """Ends what still runs."""
        for one in self.started:
            if one.process.poll() is None:
                one.process.send_signal(signal.SIGCONT)
                one.kill()
