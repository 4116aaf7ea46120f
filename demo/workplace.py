"""Where the demo keeps its things between runs: demo/data, with the secrets and the day it was begun."""

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

DATA = Path(__file__).parent / "data"
SEED = 20230804
"""The day the study appeared online. The same people every time."""


@dataclass(frozen=True)
class Kept:
    """What a second run must find again. The people's dates hang on `today`: another day would make other people."""

    today: str
    seed: int
    id_secret: str
    secret_key: str
    clinician_password: str


@dataclass(frozen=True)
class Workplace:
    """The folder, and what is kept in it."""

    folder: Path
    kept: Kept

    @property
    def today(self) -> date:
        """The day the demo was begun; its people live by it."""
        return date.fromisoformat(self.kept.today)


def open_workplace(folder: Path = DATA) -> Workplace:
    """The workplace as an earlier run left it, or a new one."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "kept.json"
    if not file.exists():
        kept = Kept(
            today=date.today().isoformat(),
            seed=SEED,
            id_secret=secrets.token_hex(32),
            secret_key=secrets.token_hex(32),
            clinician_password=secrets.token_urlsafe(12),
        )
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(kept)))
    return Workplace(folder, Kept(**json.loads(file.read_text())))
