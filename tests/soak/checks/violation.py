"""One way in which a history breaks a promise."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """Which rule, where in the order of things, and what happened there."""

    rule: str
    at: int
    what: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.at}: {self.what}"
