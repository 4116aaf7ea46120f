"""Java and Maven: found, checked for their version, and one Maven project built at most once for its sources."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.backing_services.dependency_missing import DependencyMissing

MIN_JAVA_VERSION = 17
JAVA_INSTALL_HINT = "On Debian: apt-get install default-jdk-headless"
MAVEN_INSTALL_HINT = "On Debian: apt-get install maven"
MAX_BUILD_SECONDS = 900


def find_java() -> str:
    """The path of a Java 17 or newer. Raises PartMissing."""
    home = os.environ.get("JAVA_HOME")
    java = (shutil.which("java", path=str(Path(home, "bin"))) if home else None) or shutil.which("java")
    if java is None:
        raise DependencyMissing(f"Java {MIN_JAVA_VERSION} or newer", JAVA_INSTALL_HINT)
    completed = subprocess.run(
        [java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False
    )
    found = re.search(r"java\.specification\.version = (?:1\.)?(\d+)", completed.stderr + completed.stdout)
    if found is None or int(found[1]) < MIN_JAVA_VERSION:
        version = found[1] if found else "of an unknown version"
        raise DependencyMissing(
            f"Java {MIN_JAVA_VERSION} or newer (this machine's is {version})", JAVA_INSTALL_HINT
        )
    return java


def build_maven_project(project: Path) -> Path:
    """
    Runs `mvn package` in `project` unless its target folder was built from the same sources.

    Returns the target folder. Raises PartMissing when Maven or a Java compiler is not there, RuntimeError with Maven's
    own last lines when the build fails.
    """
    target = project / "target"
    target.mkdir(exist_ok=True)
    fingerprint = _fingerprint(project)
    built_from = target / "built-from"
    with (target / "build.lock").open("w") as lock:
        # Several test runs may ask at once; the first builds, the others wait and find it done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built_from.exists() or built_from.read_text() != fingerprint:
            built_from.unlink(missing_ok=True)
            _run_maven_package(project)
            built_from.write_text(fingerprint)
    return target


def _fingerprint(project: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted([project / "pom.xml", *(p for p in (project / "src").rglob("*") if p.is_file())]):
        digest.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _run_maven_package(project: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise DependencyMissing("Maven", MAVEN_INSTALL_HINT)
    java = find_java()
    if any(project.rglob("*.java")) and not Path(java).resolve().with_name("javac").exists():
        raise DependencyMissing("A Java compiler (javac)", JAVA_INSTALL_HINT)
    command = [maven, "-q", "-B", "package"]
    try:
        done = subprocess.run(
            command, cwd=project, capture_output=True, text=True, check=False, timeout=MAX_BUILD_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"Maven took longer than {MAX_BUILD_SECONDS} s in {project.name}") from None
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
        raise RuntimeError(f"Maven could not build {project.name}:\n{last}")
