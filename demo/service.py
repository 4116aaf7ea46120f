"""Runs fhir_pmp as an operator does: commands and two processes over SQLite, nothing imported."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from demo.destination_files import write_demo_mappings
from demo.ehr import Ehr
from demo.progress import CONSOLE
from demo.run_folder import ZONE, RunFolder

COMMAND = Path(sys.executable).parent / "fhir-pmp"
SECONDS_TO_START = 60
SECONDS_TO_END = 35
PAGE = 1000


Counts = dict[str, dict[str, int]]
"""`deliveries` by state, and `resources_sent` by type."""


class CommandFailed(Exception):
    """A command of fhir_pmp ended with an error; the message contains its output."""


class DemoService:
    """Runs commands of the service, and its web and sync processes, within a `with` block."""

    def __init__(self, run_folder: RunFolder, ehr: Ehr) -> None:
        self.folder = run_folder.folder
        self.run_folder = run_folder
        self.destination = ehr.destination
        self.port = _free_port()
        self.sync: subprocess.Popen[bytes] | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        state = run_folder.state
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FHIR_PMP_")},
            "FHIR_PMP_DATABASE_URL": f"sqlite:///{self.folder / 'fhir_pmp.sqlite'}",
            "FHIR_PMP_CANONICAL_BASE": "https://example.org/fhir-pmp-demo",
            "FHIR_PMP_ID_SECRET": state.id_secret,
            "FHIR_PMP_SECRET_KEY": state.secret_key,
            "FHIR_PMP_CLINIC_ZONE": ZONE.key,
            "FHIR_PMP_LISTEN": f"127.0.0.1:{self.port}",
            "FHIR_PMP_PUBLIC_URL": self.address,
            "FHIR_PMP_DESTINATIONS": f"{ehr.destination}={ehr.base}",
            "FHIR_PMP_SYNC_SECONDS": "2",
            "FHIR_PMP_CONNECTIONS": "4",
            "FHIR_PMP_LOG_LEVEL": "warning",
            "COLUMNS": "120",  # a summary's table needs the width
        }
        if ehr.destination != "hapi":
            self.environment["FHIR_PMP_MAPPINGS"] = str(write_demo_mappings(ehr, run_folder.folder))

    @property
    def address(self) -> str:
        """The URL of pages and APIs."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "DemoService":
        self.run("migrate")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(
        self,
        *arguments: str,
        stdin_text: str | None = None,
        may_fail: bool = False,
        shows_progress: bool = False,
    ) -> str:
        """Runs a command and returns its output. Raises CommandFailed.

        With `shows_progress` the command's own progress bar appears on the terminal.
        """
        done = subprocess.run(
            [str(COMMAND), *arguments],
            env=self.environment,
            input=stdin_text,
            stdout=subprocess.PIPE,
            stderr=None if shows_progress else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0 and not (may_fail and done.returncode == 1):
            why = (done.stderr or "").strip() or done.stdout.strip() or f"it ended with {done.returncode}"
            raise CommandFailed(f"fhir-pmp {arguments[0]}: {why}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Runs a command with --json and returns the parsed output."""
        return json.loads(self.run(*arguments, "--json"))

    def counts(self) -> Counts:
        """Returns the deliveries by state and the resources sent by type."""
        counts: Counts = self.json("deliveries", "counts")[self.destination]
        return counts

    def sent_ids(self) -> dict[str, set[str]]:
        """Returns the ids of all resources that were sent, by type."""
        found: dict[str, set[str]] = {}
        after = 0
        while page := self.json(
            *("deliveries", "list", "--state", "sent", "--limit", str(PAGE), "--after", str(after))
        ):
            for one in page:
                kind, _, id_ = one["resource"].partition("/")
                found.setdefault(kind, set()).add(id_)
            after = page[-1]["delivery"]
        return found

    @contextmanager
    def counting(self, every: float) -> Generator[Iterator[Counts]]:
        """Yields the counts repeatedly, from one running command: starting a process costs more than counting."""
        command = [str(COMMAND), "deliveries", "counts", "--json", "--every", str(every)]
        process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            yield (json.loads(line)[self.destination] for line in process.stdout)
        finally:
            process.terminate()
            process.communicate()

    def start_web(self) -> None:
        """Starts the web process and waits until it answers."""
        self._start("serve")
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.address}/health/ready", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        raise CommandFailed(f"fhir-pmp serve did not answer; its log is {self.folder / 'serve.log'}")

    def start_sync(self) -> None:
        """Starts the sync process."""
        self.sync = self._start("sync")

    def stop(self) -> None:
        """Stops both processes, with time to finish their current work."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def wait_for_interrupt(self) -> None:
        """Serves until Ctrl-C."""
        CONSOLE.print("\nServing until Ctrl-C.")
        try:
            while all(process.poll() is None for process in self._processes):
                time.sleep(0.5)
        except KeyboardInterrupt:
            CONSOLE.print("Ending every process that was started here.")

    def _start(self, command: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{command}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(COMMAND), command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C must reach only the demo, which stops the processes in order
            )
        self._processes.append(process)
        return process


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])
