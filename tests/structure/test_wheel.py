"""The built wheel, in an empty environment with what the lock names, is a working program that carries its mappings."""

import sys
import zipfile
from pathlib import Path

import pytest

from tests.structure.setup_files import install_lock, run_clean

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from these sources without asking any index."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    run_clean(*pip, "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("fhir_pmp-*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_program_and_of_the_mappings(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder, prefix in ((ROOT / "fhir_pmp", "fhir_pmp"), (ROOT / "mappings", "fhir_pmp/_mappings")):
        files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        missing = [path for path in files if f"{prefix}/{path.relative_to(folder).as_posix()}" not in inside]
        assert missing == []
    unexpected = [name for name in inside if not name.startswith(("fhir_pmp/", "fhir_pmp-"))]
    assert unexpected == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_installed_wheel_works_without_its_sources(wheel: Path, tmp_path: Path) -> None:
    run_clean(sys.executable, "-m", "venv", "empty", cwd=tmp_path)
    python = tmp_path / "empty" / "bin" / "python"
    install_lock(python, "runtime", tmp_path)
    run_clean(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    run_clean(python, "-m", "pip", "check", cwd=tmp_path)

    program = python.with_name("fhir-pmp")
    assert "check-mappings" in run_clean(program, "--help", cwd=tmp_path)
    run_clean(program, "check-mappings", cwd=tmp_path)
    where = run_clean(python, "-c", "import fhir_pmp.settings as s; print(s.PACKAGED_MAPPINGS)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path)
    assert (Path(where.strip()) / "programme.yaml").is_file()
