"""The destination files of the two EHRs that have none among those shipped: the stub, and somebody else's server."""

import shutil
from pathlib import Path

from demo.ehr import Ehr

MAPPINGS = Path(__file__).parents[1] / "mappings"


def write_demo_mappings(ehr: Ehr, folder: Path) -> Path:
    """A copy of the mappings in `folder` that knows this EHR as a bare FHIR store under its own name."""
    copy = folder / "mappings"
    shutil.copytree(MAPPINGS, copy, dirs_exist_ok=True)
    lines = [f"id: {ehr.destination}", f'title: "{ehr.name}"', "patients: ours", "entries_per_bundle: 200"]
    if ehr.accepts_our_ids:
        lines.append("strategy: our_id")
    (copy / "destinations" / f"{ehr.destination}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return copy
