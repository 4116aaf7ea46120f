"""The house keeps its shape: who may import whom, and no page asks a host that is not ours."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "fhir_pmp" / "web" / "pages" / "static"


def test_the_import_contracts_are_kept() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Contracts: \d+ kept, 0 broken", done.stdout)


def test_no_style_or_script_of_ours_names_another_host() -> None:
    files = [path for path in STATIC.rglob("*") if path.suffix in (".css", ".js")]
    assert files
    for path in files:
        named = re.findall(
            r"(?:url\(|@import|import\s*\(?|fetch\()\s*['\"]?((?:https?:)?//[^'\")\s]+)", path.read_text()
        )
        assert named == [], f"{path.name} asks {named}"
        assert "@font-face" not in path.read_text()
    assert not re.search(r"Frutiger|assets\.nhs\.uk", "".join(path.read_text() for path in files))


def test_every_icon_a_style_sheet_asks_for_is_there() -> None:
    for path in STATIC.rglob("*.css"):
        for name in re.findall(r"url\(['\"]?([^'\")]+)['\"]?\)", path.read_text()):
            assert name.startswith("data:") or (path.parent / name).is_file(), f"{path.name}: {name}"
