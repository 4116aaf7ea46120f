"""Starts, stops and kills a real HAPI FHIR JPA server (R4) on loopback, building it first when its sources changed."""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.backing_services.dependency_missing import DependencyMissing
from tests.backing_services.java import build_maven_project, find_java

PROJECT = Path(__file__).parent
MAX_START_SECONDS = 180.0
# A server that lives for minutes never earns back what Java's second compiler costs: half the work to start, and a
# cohort of 7,000 resources was stored with 60 s of processor time instead of 106.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


class HapiDidNotStart(Exception):
    """The process ended, or did not answer in time. Its log says why."""


class HapiServer:
    """
    One HAPI FHIR server; its database (H2) and its log are in `folder`.

    `port` 0 lets the system choose at the first start; later starts keep the port, as a server that comes back does.
    The process ends with this one, however this one ends.
    """

    def __init__(self, folder: Path, port: int = 0, in_memory: bool = False, heap: str = "1g") -> None:
        self.folder = folder
        self.port = port
        self.in_memory = in_memory
        self.heap = heap
        self.log = folder / "hapi.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """Where FHIR is served, without a slash at the end. Known once started."""
        return f"http://127.0.0.1:{self.port}/fhir"

    @property
    def pid(self) -> int | None:
        """The process while it runs."""
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        """Whether the process is there; it need not answer yet."""
        return self._process is not None and self._process.poll() is None

    def start(self, within: float = MAX_START_SECONDS) -> Self:
        """Returns once /metadata answers. Raises PartMissing, HapiDidNotStart after `within` seconds, RuntimeError."""
        if self.running:
            return self
        java = find_java()
        target = build_maven_project(PROJECT)
        self.folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + within
        with self.log.open("ab") as log:
            offset = log.tell()
            self._process = subprocess.Popen(
                [
                    *(java, f"-Xmx{self.heap}", "-Duser.timezone=UTC", *SHORT_LIVED),
                    *("-cp", f"{target / 'hapi.jar'}:{target / 'lib'}/*", "hapi.Main"),
                    *(str(self.port), "memory" if self.in_memory else str(self.folder.resolve())),
                ],
                stdin=subprocess.PIPE,  # its end tells the server that we are gone
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to pass on
            )
        try:
            self._wait(offset, deadline)
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self, within: float = 30.0) -> None:
        """Ends it in an orderly way, or with SIGKILL after `within` seconds."""
        self._end(signal.SIGTERM, within)

    def kill(self) -> None:
        """Ends it as a power cut would: SIGKILL."""
        self._end(signal.SIGKILL, 10.0)

    def pause(self) -> None:
        """Stops the process without ending it (SIGSTOP): it takes connections and answers nothing."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a paused process go on."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, how: signal.Signals, within: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.send_signal(how)
        try:
            process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()

    def _wait(self, offset: int, deadline: float) -> None:
        while time.monotonic() < deadline:
            if not self.running:
                raise HapiDidNotStart(f"HAPI ended while starting. Its last words: {self._last_words()}")
            if (port := self._find_logged_port(offset)) is not None:
                self.port = port
                with contextlib.suppress(urllib.error.URLError, TimeoutError, ConnectionError):
                    get_json(f"{self.base_url}/metadata?_elements=fhirVersion", within=60)
                    return
            time.sleep(0.1)
        raise HapiDidNotStart(f"HAPI did not answer in time. Its last words: {self._last_words()}")

    def _find_logged_port(self, offset: int) -> int | None:
        with self.log.open("rb") as log:
            log.seek(offset)
            for line in log:
                if line.startswith(b"LISTENING ") and line.endswith(b"\n"):
                    return int(line.split()[1])
        return None

    def _last_words(self) -> str:
        return "\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def get_json(url: str, within: float = 30.0) -> Any:
    """The JSON at `url`, read with Cache-Control: no-cache, as HAPI answers a repeated search from memory."""
    request = urllib.request.Request(
        url, headers={"Accept": "application/fhir+json", "Cache-Control": "no-cache"}
    )
    with urllib.request.urlopen(request, timeout=within) as answer:
        return json.load(answer)


def main() -> int:
    """Serves until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make hapi", description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / "target" / "data")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--in-memory", action="store_true")
    given = parser.parse_args()
    server = HapiServer(given.folder, given.port, given.in_memory)
    try:
        print("Starting HAPI; the first time it is built, which fetches some 300 MB.")
        server.start()
        print(f"HAPI FHIR R4 at {server.base_url}; Ctrl-C ends it. Log: {server.log}")
        while server.running:
            time.sleep(0.5)
        print("HAPI ended by itself.", file=sys.stderr)
        return 1
    except (DependencyMissing, HapiDidNotStart, RuntimeError) as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
