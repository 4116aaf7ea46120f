"""Runs the scenario over a database and compares two results; `python -m tests.integration.pinned.pins --write` rewrites the file."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
FILE = ROOT / "tests" / "data" / "pinned_bytes.json"
SECONDS = 120
SHOWN = 15
"""Lines of one list that a difference shows."""

Pins = dict[str, Any]


def scenario(database: str, folder: Path) -> Pins:
    """What the scenario makes of this empty database. `folder` is an empty one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_PMP_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.pinned.scenario", database, str(folder)],
        cwd=ROOT,
        # What is shared by everybody is sent in the order of a set of strings.
        env={**environment, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"the scenario ended with {done.returncode}:\n{done.stderr}"
    found: Pins = json.loads(done.stdout)
    return found


def read_pins() -> Pins:
    """The file's."""
    found: Pins = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def differences(pinned: Pins, found: Pins) -> list[str]:
    """Lines for people: in which list what was and is, or that only the order moved. Empty where nothing did."""
    before, after = dict(_lists(pinned)), dict(_lists(found))
    report = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, []), after.get(name, [])
        gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
        if not gone and not come:
            if old != new:
                moved = next(line for line, other in zip(old, new, strict=True) if line != other)
                report.append(f"{name}: another order, first at {moved.strip()}")
            continue
        report.append(f"{name}: {gone.total()} of {len(old)} gone, {come.total()} new")
        lines = sorted([(line.strip(), "-") for line in gone] + [(line.strip(), "+") for line in come])
        report += [f"  {sign} {line}" for line, sign in lines[:SHOWN]]
        if len(lines) > SHOWN:
            report.append(f"  … and {len(lines) - SHOWN} more")
    return report


def _lists(pins: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, list[str]]]:
    for name, value in pins.items():
        where = f"{path} / {name}" if path else name
        if isinstance(value, dict):
            yield from _lists(value, where)
        else:
            yield where, value if isinstance(value, list) else [str(value)]


def _write() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        found = scenario(f"sqlite:///{folder}/pinned.sqlite", work)
    before = read_pins() if FILE.exists() else {}
    FILE.write_text(json.dumps(found, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    print("\n".join(differences(before, found)) or "nothing moved")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(f"python -m tests.integration.pinned.pins --write rewrites {FILE.relative_to(ROOT)}")
    _write()
