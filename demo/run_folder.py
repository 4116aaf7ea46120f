"""Keeps the demo's files between runs: database, secrets and the day of the first run."""

import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Australia/Sydney")
"""The zone of the clinic."""
DATA = Path(__file__).parent / "data"
SEED = 20230804
"""The date on which the study was published. A fixed seed gives the same people every time."""


@dataclass(frozen=True)
class RunState:
    """The values that every run must share.

    The people depend on `today`: another day gives other people.
    """

    today: str
    seed: int
    id_secret: str
    secret_key: str
    clinician_password: str


@dataclass(frozen=True)
class RunFolder:
    """The folder of one EHR: its saved state and the last run's summary."""

    folder: Path
    summary: Path
    state: RunState

    @property
    def today(self) -> date:
        """The day of the first run, on which the people's dates depend."""
        return date.fromisoformat(self.state.today)


def open_run_folder(ehr: str, data: Path = DATA) -> RunFolder:
    """Opens the folder of an earlier run with this EHR, or creates a new one.

    Each EHR has a folder of its own, because deliveries to one EHR say nothing of another: HAPI uses `data`, others a
    folder in it.
    """
    folder = data if ehr == "hapi" else data / (re.sub(r"[^A-Za-z0-9.]+", "-", ehr).strip("-") or "other")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "kept.json"
    if not file.exists():
        state = RunState(
            today=datetime.now(ZONE).date().isoformat(),
            seed=SEED,
            id_secret=secrets.token_hex(32),
            secret_key=secrets.token_hex(32),
            clinician_password=secrets.token_urlsafe(12),
        )
        write_private(file, json.dumps(asdict(state)))
    return RunFolder(folder, data / "summary.json", RunState(**json.loads(file.read_text())))


def write_private(file: Path, text: str) -> None:
    """Writes a file atomically, readable by its owner only."""
    beside = file.with_suffix(".new")
    beside.touch(mode=0o600)
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)
