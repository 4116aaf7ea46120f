"""Sees to it that the machine has what the tests need: installs it as root on Debian, else names what is missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from tests.backing_services.chromium import find_chromium
from tests.backing_services.dependency_missing import DependencyMissing, in_ci
from tests.backing_services.java import build_maven_project, find_java
from tests.backing_services.postgres import find_server_programs
from tests.backing_services.verapdf import PROJECT as VERAPDF
from tests.hapi.server import PROJECT as HAPI


def _find_program(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise DependencyMissing(program, f"On Debian, as root: apt-get install {package}")
    return found


DEPENDENCIES: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "Java": (find_java, ("default-jdk-headless",)),
    "Maven": (lambda: _find_program("mvn", "maven"), ("maven",)),
    "PostgreSQL": (find_server_programs, ("postgresql",)),
    "Chromium": (find_chromium, ("chromium", "fonts-liberation")),
    "poppler": (lambda: _find_program("pdftotext", "poppler-utils"), ("poppler-utils",)),
}
"""What must be found, and the Debian packages that bring it."""

BUILT_PROJECTS: dict[str, Callable[[], object]] = {
    "HAPI FHIR": lambda: build_maven_project(HAPI),
    "veraPDF": lambda: build_maven_project(VERAPDF),
}


def main() -> int:
    """Returns 0 when every part is there, or when some are not and CI is not set: the tests then name them."""
    wanted = [
        package for find, packages in DEPENDENCIES.values() if not _is_installed(find) for package in packages
    ]
    if wanted and os.geteuid() == 0 and shutil.which("apt-get"):
        _apt_install(wanted)
    missing = 0
    for name, find in {**{name: find for name, (find, _) in DEPENDENCIES.items()}, **BUILT_PROJECTS}.items():
        try:
            find()
            print(f"  {name}: ready")
        except (DependencyMissing, RuntimeError) as fault:
            missing += 1
            print(f"  {name}: {fault}", file=sys.stderr)
    return 1 if missing and in_ci() else 0


def _is_installed(find: Callable[[], object]) -> bool:
    try:
        # None: a stand-in would do, yet the real thing is better.
        return find() is not None
    except DependencyMissing:
        return False


def _apt_install(packages: list[str]) -> None:
    print(f"Installing {', '.join(packages)}")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", *words], env=quiet, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"apt-get {words[0]} failed: {done.stderr.strip()[-500:]}", file=sys.stderr)
            return


if __name__ == "__main__":
    sys.exit(main())
