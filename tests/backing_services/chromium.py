"""Chromium as the machine has it, and the ways it must be started for tests to ask no host but ours."""

import os
import shutil

from tests.backing_services.dependency_missing import DependencyMissing

INSTALL_HINT = "On Debian, as root: apt-get install chromium"
EXECUTABLE_NAMES = ("chromium", "chromium-browser", "google-chrome")
OFFLINE_ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str:
    """The path of the browser. Raises PartMissing."""
    for name in EXECUTABLE_NAMES:
        if (found := shutil.which(name)) is not None:
            return found
    raise DependencyMissing("Chromium", INSTALL_HINT)


def launch_options() -> dict[str, object]:
    """What `playwright.chromium.launch(**launch_options())` needs here. Raises PartMissing."""
    return {
        "executable_path": find_chromium(),
        "args": list(OFFLINE_ARGUMENTS),
        "chromium_sandbox": os.geteuid() != 0,  # Chromium's sandbox refuses root
    }
