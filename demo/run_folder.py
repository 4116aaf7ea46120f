"""Where the demo keeps its things between runs: demo/data, with the secrets and the day it was begun."""

import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Australia/Sydney")
"""The clinic's."""
DATA = Path(__file__).parent / "data"
SEED = 20230804
"""The day the study appeared online. The same people every time."""


@dataclass(frozen=True)
class RunState:
    """What a second run must find again. The people's dates hang on `today`: another day would make other people."""

    today: str
    seed: int
    id_secret: str
    secret_key: str
    clinician_password: str


@dataclass(frozen=True)
class RunFolder:
    """The folder of one EHR, what is kept in it, and where the facts of the last run go."""

    folder: Path
    summary: Path
    state: RunState

    @property
    def today(self) -> date:
        """The day the demo was begun; its people live by it."""
        return date.fromisoformat(self.state.today)


def open_run_folder(ehr: str, data: Path = DATA) -> RunFolder:
    """The workplace as an earlier run with this EHR left it, or a new one.

    What was delivered to one EHR was not delivered to another: HAPI's things lie in `data`, others' in folders of it.
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
    """Writes a file that only we can read, whole or not at all."""
    beside = file.with_suffix(".new")
    beside.touch(mode=0o600)
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)
