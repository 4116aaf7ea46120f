"""Java and Maven: found, checked for their version, and one Maven project built at most once for its sources."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.neighbours.missing import PartMissing

OLDEST_JAVA = 17
HOW_JAVA = "On Debian: apt-get install default-jdk-headless"
HOW_MAVEN = "On Debian: apt-get install maven"
LONGEST_BUILD_SECONDS = 900


def find_java() -> str:
    """The path of a Java 17 or newer. Raises PartMissing."""
    home = os.environ.get("JAVA_HOME")
    java = (shutil.which("java", path=str(Path(home, "bin"))) if home else None) or shutil.which("java")
    if java is None:
        raise PartMissing(f"Java {OLDEST_JAVA} or newer", HOW_JAVA)
    told = subprocess.run(
        [java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False
    )
    found = re.search(r"java\.specification\.version = (?:1\.)?(\d+)", told.stderr + told.stdout)
    if found is None or int(found[1]) < OLDEST_JAVA:
        version = found[1] if found else "of an unknown version"
        raise PartMissing(f"Java {OLDEST_JAVA} or newer (this machine's is {version})", HOW_JAVA)
    return java


def build_once(project: Path) -> Path:
    """
    Runs `mvn package` in `project` unless its target folder was built from the same sources.

    Returns the target folder. Raises PartMissing when Maven or a Java compiler is not there, RuntimeError with Maven's
    own last lines when the build fails.
    """
    target = project / "target"
    target.mkdir(exist_ok=True)
    fingerprint = _fingerprint(project)
    built = target / "built-from"
    with (target / "build.lock").open("w") as lock:
        # Several test runs may ask at once; the first builds, the others wait and find it done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists() or built.read_text() != fingerprint:
            built.unlink(missing_ok=True)
            _package(project)
            built.write_text(fingerprint)
    return target


def _fingerprint(project: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted([project / "pom.xml", *(p for p in (project / "src").rglob("*") if p.is_file())]):
        digest.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _package(project: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise PartMissing("Maven", HOW_MAVEN)
    java = find_java()
    if any(project.rglob("*.java")) and not Path(java).resolve().with_name("javac").exists():
        raise PartMissing("A Java compiler (javac)", HOW_JAVA)
    command = [maven, "-q", "-B", "package"]
    try:
        done = subprocess.run(
            command, cwd=project, capture_output=True, text=True, check=False, timeout=LONGEST_BUILD_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"Maven took longer than {LONGEST_BUILD_SECONDS} s in {project.name}") from None
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
        raise RuntimeError(f"Maven could not build {project.name}:\n{last}")
