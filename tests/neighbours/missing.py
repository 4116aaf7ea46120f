"""A part of the machine that a test or the demo needs and that is not there, with how to get it."""

import os


class PartMissing(Exception):
    """What is missing and what to do about it; the caller decides whether that ends the run."""

    def __init__(self, part: str, how: str) -> None:
        super().__init__(f"{part} is missing. {how}")
        self.part = part
        self.how = how


def in_ci() -> bool:
    """Whether nothing may be left out."""
    return os.environ.get("CI", "").lower() in ("true", "1")
