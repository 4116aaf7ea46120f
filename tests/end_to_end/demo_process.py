"""The demo as somebody starts it at a terminal: a command with its own process group, ended by Ctrl-C."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST = 240.0
"""Seconds for anything here, on a busy machine."""


@dataclass
class RunningCommand:
    """A command that runs in a group of its own, as a terminal's shell starts one; what it says goes to a file."""

    process: subprocess.Popen[bytes]
    output_file: Path

    @classmethod
    def start(
        cls, arguments: Sequence[str], output_file: Path, environment: Mapping[str, str] | None = None
    ) -> "RunningCommand":
        """Starts it in the repository."""
        with output_file.open("wb") as output:
            process = subprocess.Popen(
                arguments,
                cwd=REPOSITORY,
                env=None if environment is None else dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, output_file)

    @property
    def output(self) -> str:
        """Everything it printed so far."""
        return self.output_file.read_text(errors="replace")

    def wait(self, within: float = LONGEST) -> int:
        """Its exit status."""
        return self.process.wait(within)

    def wait_until(self, text: str, within: float = LONGEST) -> None:
        """Returns once the words stand in what it printed. Fails when it ends without them."""
        deadline = time.monotonic() + within
        while text not in self.output:
            assert self.process.poll() is None, f"it ended without saying {text!r}: {self.output[-2000:]}"
            assert time.monotonic() < deadline, f"it did not say {text!r}: {self.output[-2000:]}"
            time.sleep(0.05)

    def press_ctrl_c(self) -> None:
        """What a terminal does: every process of the group in front gets SIGINT."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> None:
        """Leaves nothing of it behind."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def list_running_processes(folder: Path) -> list[str]:
    """The processes that name the folder, in their arguments or their environment; we do not count."""
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        try:
            command_and_environment = (
                (place / "cmdline").read_bytes() + b"\0" + (place / "environ").read_bytes()
            )
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
        if str(folder).encode() in command_and_environment:
            found.append(f"{place.name}: {(place / 'cmdline').read_bytes().replace(bytes(1), b' ').decode()}")
    return found
