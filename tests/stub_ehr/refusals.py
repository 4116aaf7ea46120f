"""What the server answers when it says no: a status and an OperationOutcome."""

from typing import Any


class Problem(Exception):
    """A request that is refused with this HTTP status. The text is in HAPI's manner, with its number."""

    def __init__(
        self, status: int, text: str, *, code: str = "processing", headers: dict[str, str] | None = None
    ):
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = code
        self.headers = headers or {}


def outcome(severity: str, code: str, text: str) -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    issue = {"severity": severity, "code": code, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def outcome_of(problem: Problem) -> dict[str, Any]:
    """The OperationOutcome of a refusal."""
    return outcome("error", problem.code, problem.text)
