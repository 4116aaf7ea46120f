"""Measures `import`: an import against the bare insertion of its rows, and its memory."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.importing.export import write_export
from bench.measurement import ratios, run_interleaved, spread
from bench.report import ReportLine

OF_THE_BARE_RATE = 0.25
FEWER = 10_000
MOST_MIB = 300
LONGEST_LOCK = 0.25
"""Seconds."""
THE_SAME = 1.15
"""The largest ratio of peak memory, with ten times as many responses, that counts as constant."""

Timing = dict[str, Any]


def import_lines(rounds: int, responses: int) -> Iterator[ReportLine]:
    """Yields the lines; each side runs in its own process on its own database."""
    with TemporaryDirectory(prefix="bench-import-") as named:
        folder = Path(named)
        export, marks = folder / "export.csv", folder / "marks.json"
        written = folder / "written.sqlite"
        many = write_export(export, responses)
        _run(folder, "import_run", export, written, marks)
        took = run_interleaved(
            {
                "ours": lambda: _run(folder, "import_run", export, folder / "ours.sqlite"),
                "bare": lambda: _run(folder, "bare_insertion", written, marks, folder / "bare.sqlite"),
            },
            rounds,
        )
        rows = took["bare"][0]["rows"]
        yield _ratio(f"{many:,} responses ({rows:,} rows): of the bare rate", took, "seconds", many)
        yield _ratio("the same by processor time", took, "worked", many)
        locks = f"{took['ours'][0]['locks']:,} transactions"
        longest = spread([one["longest_lock"] for one in took["ours"]])
        yield ReportLine(
            "import", "longest write lock, s", longest, at_most=LONGEST_LOCK, sides={"of": locks}
        )
        fewer = folder / "fewer.csv"
        few = write_export(fewer, min(FEWER, responses))
        of_few = _run(folder, "import_run", fewer, folder / "few.sqlite")
        yield from _memory(many, took["ours"], few, of_few)


def _ratio(what: str, took: dict[str, list[Timing]], of: str, responses: int) -> ReportLine:
    ours, bare = ([one[of] for one in took[side]] for side in ("ours", "bare"))
    sides = {"ours": ours, "bare": bare}
    rates = {side: f"{responses / spread(values).median:,.0f} responses/s" for side, values in sides.items()}
    target = OF_THE_BARE_RATE if of == "seconds" else None
    return ReportLine("import", what, ratios(bare, ours), target, sides=rates)


def _memory(many: int, of_many: list[Timing], few: int, of_few: Timing) -> Iterator[ReportLine]:
    peaks = [one["peak_kib"] / 1024 for one in of_many]
    sizes = {f"{many:,} responses": f"{max(peaks):.0f} MiB"}
    yield ReportLine("import", "peak memory, MiB", spread(peaks), at_most=MOST_MIB, sides=sizes)
    sizes[f"{few:,} responses"] = f"{of_few['peak_kib'] / 1024:.0f} MiB"
    alike = spread([one["peak_kib"] / of_few["peak_kib"] for one in of_many])
    yield ReportLine(
        "import", f"peak memory of {many:,} beside {few:,}", alike, at_most=THE_SAME, sides=sizes
    )


def _run(folder: Path, what: str, *arguments: Path) -> Timing:
    """Runs one side in a new process on a new database; returns its JSON output."""
    for old in (*folder.glob("ours.*"), *folder.glob("bare.*"), *folder.glob("few.sqlite*")):
        old.unlink()
    command = [sys.executable, "-m", f"bench.importing.{what}", *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=_REPOSITORY)
    took: Timing = json.loads(done.stdout)
    return took


_REPOSITORY = Path(__file__).parents[2]
