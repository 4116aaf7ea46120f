"""veraPDF, the reference judge of PDF/UA, from Maven; many files in one start of Java."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.backing_services.java import build_maven_project, find_java

PROJECT = Path(__file__).parent / "verapdf_jars"


def find_pdf_faults(pdf: Path, flavour: str = "ua1") -> list[str]:
    """What veraPDF finds wrong with one file: empty when it passes. `flavour` as its -f takes it: ua1, 2a."""
    return find_pdf_faults_by_file([pdf], flavour)[pdf]


def find_pdf_faults_by_file(pdfs: Iterable[Path], flavour: str = "ua1") -> Mapping[Path, list[str]]:
    """What is wrong with each file. Raises PartMissing without Java or Maven, RuntimeError if a file was not judged."""
    by_name = {str(pdf.resolve()): pdf for pdf in pdfs}
    if not by_name:
        return {}
    jars = build_maven_project(PROJECT) / "lib" / "*"
    completed = subprocess.run(
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
        jobs = json.loads(completed.stdout)["report"]["jobs"]
    except (ValueError, KeyError):
        raise RuntimeError(f"veraPDF gave no report: {completed.stderr.strip()[-500:]}") from None
    found = {
        by_name[job["itemDetails"]["name"]]: _rule_failures(job["validationResult"])
        for job in jobs
        if job.get("validationResult")
    }
    if missing := [pdf.name for pdf in by_name.values() if pdf not in found]:
        raise RuntimeError(f"veraPDF did not judge {', '.join(missing)}: {completed.stderr.strip()[-500:]}")
    return found


def _rule_failures(results: list[dict[str, Any]]) -> list[str]:
    faults = [
        f"{rule['specification']} {rule['clause']} test {rule['testNumber']}: {rule['description']}"
        for result in results
        for rule in result["details"]["ruleSummaries"]
    ]
    if not faults and not all(result["compliant"] for result in results):
        return ["not compliant, without a rule named"]
    return faults
