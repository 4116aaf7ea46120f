"""What is set up today is set up tomorrow: no command resolves versions, no image, jar or build tool floats."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.structure.setup_files import ROOT, PipCommand, pip_commands, setup_files

LOCKED = {"--require-hashes", "--no-deps", "--only-binary"}
OFFLINE = {"--no-deps", "--no-index"}
POMS = sorted(path for path in (ROOT / "tests").rglob("pom.xml") if "target" not in path.parts)
IMAGE = re.compile(r"^(?:FROM| +image:) (\S+)(?: +AS +\w+)?", re.MULTILINE)
RELEASE = re.compile(r"^[a-z-]+:\d+\.\d+(\.\d+)?(_\d+)?(-[a-z0-9-]+)?$")
THREE_PARTS = ("python", "maven", "eclipse-temurin")  # PostgreSQL counts its releases by two numbers
OWN_IMAGES = {"fhir-pmp", "fhir-pmp-hapi"}
EXACT = re.compile(r"^\d+(\.\d+)*(\.Final)?$")


def _fault(command: PipCommand) -> str | None:
    if command.lock is not None:
        if not command.options >= LOCKED or ":all:" not in command.words:
            return "the lock is to be installed with --require-hashes --no-deps --only-binary :all:"
    elif not command.options >= OFFLINE:
        return "without a lock, pip is to ask no index and to resolve nothing: --no-deps --no-index"
    elif "." in command.words and "--no-build-isolation" not in command.options:
        return "pip would fetch the newest build tools: --no-build-isolation"
    return None


def _image_fault(image: str) -> str | None:
    name, _, tag = image.partition(":")
    if image in OWN_IMAGES:
        return None
    parts = len(re.split(r"[._]", tag.split("-")[0]))
    if not RELEASE.match(image) or (name in THREE_PARTS and parts < 3):
        return "the tag names more than one release"
    return None


def test_no_pip_command_resolves_versions() -> None:
    commands = [command for path in setup_files() for command in pip_commands(path)]
    assert {command.file for command in commands} >= {"Makefile", "Dockerfile", "docs/how-to/install.md"}
    assert [f"{command}: {fault}" for command in commands if (fault := _fault(command))] == []


def test_every_environment_is_checked_by_pip_check() -> None:
    for path in setup_files():
        environments = [command for command in pip_commands(path) if command.lock]
        checks = re.findall(r"\bpip check(?!`)", path.read_text())
        assert len(checks) == len(environments), path


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile", "docs/how-to/install.md"])
def test_each_lock_is_installed_by_the_same_options(name: str) -> None:
    locked = [command for command in pip_commands(ROOT / name) if command.lock]
    assert locked != []
    for command in locked:
        assert command.options - {"--quiet", "--disable-pip-version-check", "--no-cache-dir", "-r"} == LOCKED


@pytest.mark.parametrize(
    "line",
    [
        "pip install --require-hashes -r requirements/dev.lock",
        "pip install --require-hashes --no-deps -r requirements/dev.lock",
        "pip install hatchling==1.33.0",
        "pip install --no-deps .",
        "pip wheel --no-deps --no-index .",
    ],
)
def test_a_pip_command_that_resolves_is_found(line: str) -> None:
    _, verb, *words = line.split()
    assert _fault(PipCommand("Makefile", verb, tuple(words))) is not None


def _images() -> list[str]:
    files = (ROOT / "docker-compose.yml", ROOT / "Dockerfile", ROOT / "tests/hapi/Dockerfile")
    return [image for path in files for image in IMAGE.findall(path.read_text())]


def test_every_image_is_named_by_one_release() -> None:
    images = _images()
    assert len(images) >= 6
    assert [f"{image}: {fault}" for image in images if (fault := _image_fault(image))] == []


@pytest.mark.parametrize(
    "image",
    ["postgres", "postgres:16", "postgres:latest", "python:3.11-slim", "maven:3.9-eclipse-temurin-17"],
)
def test_a_floating_tag_is_found(image: str) -> None:
    assert _image_fault(image) is not None


def test_the_containers_install_no_debian_package() -> None:
    """If one ever does, say here why its version may float."""
    assert "apt-get" not in (ROOT / "Dockerfile").read_text() + (ROOT / "tests/hapi/Dockerfile").read_text()


@pytest.mark.parametrize("pom", POMS, ids=lambda path: path.parent.name)
def test_every_jar_and_plugin_has_one_version(pom: Path) -> None:
    space = {"": "http://maven.apache.org/POM/4.0.0"}
    project = ElementTree.parse(pom).getroot()
    properties = {
        element.tag.partition("}")[2]: element.text for element in project.find("properties", space) or []
    }
    managed = project.find("dependencyManagement", space) is not None
    plugins, jars = project.findall(".//plugin", space), project.findall(".//dependency", space)
    assert plugins != [] and jars != []
    for element in [*plugins, *jars]:
        version = element.findtext("version", None, space)
        name = element.findtext("artifactId", None, space)
        if version is None:
            assert managed and element in jars, f"{name} has no version"
            continue
        if version.startswith("${"):
            version = properties[version[2:-1]] or ""
        assert EXACT.match(version), f"{name} {version}"


@pytest.mark.parametrize("pom", POMS, ids=lambda path: path.parent.name)
def test_maven_refuses_a_range_of_versions_of_any_jar(pom: Path) -> None:
    """A jar may ask for others by a range, which Maven takes to be the newest in it. The enforcer fails the build then."""
    text = re.sub(r"<!--.*?-->", "", pom.read_text(), flags=re.DOTALL)
    assert re.search(
        r"maven-enforcer-plugin</artifactId>.*?<goal>enforce</goal>.*?<banDynamicVersions/>", text, re.DOTALL
    )


def test_no_list_leaves_a_version_open() -> None:
    for path in (ROOT / "requirements").glob("*.in"):
        for line in path.read_text().splitlines():
            assert line.startswith(("#", "-r ", "-c ")) or re.search(r"==[\w.]+$", line), (
                f"{path.name}: {line}"
            )
