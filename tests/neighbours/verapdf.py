"""veraPDF, the reference judge of PDF/UA, from Maven; many files in one start of Java."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.neighbours.java import build_once, find_java

PROJECT = Path(__file__).parent / "verapdf_jars"


def failures(pdf: Path, flavour: str = "ua1") -> list[str]:
    """What veraPDF finds wrong with one file: empty when it passes. `flavour` as its -f takes it: ua1, 2a."""
    return failures_of([pdf], flavour)[pdf]


def failures_of(pdfs: Iterable[Path], flavour: str = "ua1") -> Mapping[Path, list[str]]:
    """What is wrong with each file. Raises PartMissing without Java or Maven, RuntimeError if a file was not judged."""
    by_name = {str(pdf.resolve()): pdf for pdf in pdfs}
    if not by_name:
        return {}
    jars = build_once(PROJECT) / "lib" / "*"
    told = subprocess.run(
        [
            *(find_java(), "-cp", str(jars), "org.verapdf.apps.GreenfieldCliWrapper"),
            *("-f", flavour, "--format", "json", *by_name),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    try:
        jobs = json.loads(told.stdout)["report"]["jobs"]
    except (ValueError, KeyError):
        raise RuntimeError(f"veraPDF gave no report: {told.stderr.strip()[-500:]}") from None
    found = {
        by_name[job["itemDetails"]["name"]]: _faults(job["validationResult"])
        for job in jobs
        if job.get("validationResult")
    }
    if missing := [pdf.name for pdf in by_name.values() if pdf not in found]:
        raise RuntimeError(f"veraPDF did not judge {', '.join(missing)}: {told.stderr.strip()[-500:]}")
    return found


def _faults(results: list[dict[str, Any]]) -> list[str]:
    faults = [
        f"{rule['specification']} {rule['clause']} test {rule['testNumber']}: {rule['description']}"
        for result in results
        for rule in result["details"]["ruleSummaries"]
    ]
    if not faults and not all(result["compliant"] for result in results):
        return ["not compliant, without a rule named"]
    return faults
