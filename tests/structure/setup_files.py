"""Reads the pip commands out of the Makefile, the Dockerfile and the documentation, for tests that check or run them."""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PIP = re.compile(r"\bpip3? +(install|wheel|download) +([^`&|;\n]+)")
VARIABLE = re.compile(r"^([A-Z]+) :?= (.*)$", re.MULTILINE)
LOCK = re.compile(r"(\w+)\.lock$")


@dataclass(frozen=True)
class PipCommand:
    """A pip command with the file it stands in."""

    file: str
    verb: str
    words: tuple[str, ...]

    @property
    def lock(self) -> str | None:
        """The lock file it installs, without its ending."""
        found = [match[1] for word in self.words if (match := LOCK.search(word))]
        return found[0] if found else None

    @property
    def options(self) -> frozenset[str]:
        return frozenset(word for word in self.words if word.startswith("-"))

    def __str__(self) -> str:
        return f"{self.file}: pip {self.verb} {' '.join(self.words)}"


def setup_files() -> list[Path]:
    """The files that set something up, or tell a person how to."""
    patterns = ("Makefile", "Dockerfile", "*.md", "*.yml", ".ci/*", "docs/**/*.md", "tests/**/Dockerfile")
    return sorted({path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()})


def pip_commands(path: Path) -> list[PipCommand]:
    """Each pip command of a file that installs or builds, with make's variables filled in."""
    text = path.read_text().replace("\\\n", " ")
    variables = dict(VARIABLE.findall(text)) if path.name == "Makefile" else {}
    text = re.sub(r"\$\((\w+)\)", lambda match: variables.get(match[1], match[0]), text)
    name = path.relative_to(ROOT).as_posix()
    return [PipCommand(name, verb, tuple(shlex.split(words))) for verb, words in PIP.findall(text)]


def install_lock(python: Path, name: str, cwd: Path) -> None:
    """
    Installs a lock into the environment of `python` by the command that the project itself uses.

    For `dev` that is the Makefile's, for `runtime` and `build` the Dockerfile's.
    """
    file = ROOT / ("Makefile" if name == "dev" else "Dockerfile")
    (command,) = [command for command in pip_commands(file) if command.lock == name]
    words = [
        str(ROOT / "requirements" / f"{name}.lock") if LOCK.search(word) else word for word in command.words
    ]
    run_clean(python, "-m", "pip", command.verb, *words, cwd=cwd)


def run_clean(*words: str | Path, cwd: Path) -> str:
    """Runs a program without this process's settings and without its path to our sources; returns its output."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("FHIR_PMP_", "PYTHON"))
    }
    done = subprocess.run(words, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
