"""A part of the machine that a test or the demo needs and that is not there, with how to get it."""

import os


class DependencyMissing(Exception):
    """What is missing and what to do about it; the caller decides whether that ends the run."""

    def __init__(self, dependency: str, install_hint: str) -> None:
        super().__init__(f"{dependency} is missing. {install_hint}")
        self.dependency = dependency
        self.install_hint = install_hint


def in_ci() -> bool:
    """Whether nothing may be left out."""
    return os.environ.get("CI", "").lower() in ("true", "1")
