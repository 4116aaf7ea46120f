"""Writes a destination file for the stub or an external server: none is shipped."""

import shutil
from pathlib import Path

from demo.ehr import Ehr

MAPPINGS = Path(__file__).parents[1] / "mappings"


def write_demo_mappings(ehr: Ehr, folder: Path) -> Path:
    """Copies the mappings into `folder` and adds this EHR's destination file.

    Returns the path of the copy.
    """
    copy = folder / "mappings"
    shutil.copytree(MAPPINGS, copy, dirs_exist_ok=True)
    lines = [f"id: {ehr.destination}", f'title: "{ehr.name}"', "patients: ours", "entries_per_bundle: 200"]
    if ehr.accepts_our_ids:
        lines.append("strategy: our_id")
    (copy / "destinations" / f"{ehr.destination}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return copy
