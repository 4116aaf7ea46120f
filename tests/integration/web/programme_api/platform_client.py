"""What a platform sends, and one to send it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.integration.web.web_harness import WebHarness

STARTED = "2026-01-05"


def person(**changes: Any) -> dict[str, Any]:
    """Somebody."""
    return {
        "given": "Ann",
        "family": "Example",
        "birth_date": "1970-01-02",
        "sex": "female",
        "identifiers": [{"system": "urn:medicare", "value": "m-1"}],
        **changes,
    }


def enrolment(**changes: Any) -> dict[str, Any]:
    """An enrolment that shares, started on STARTED."""
    return {"person": person(), "share_with_ehr": True, "started_on": STARTED, **changes}


def phq9(values: str = "111111110", **changes: Any) -> dict[str, Any]:
    """A PHQ-9 of e1 at the start, an answer a character, "-" for a blank."""
    answers = {f"phq9-{n}": int(value) for n, value in enumerate(values, start=1) if value != "-"}
    return {
        "enrolment": "e1",
        "instrument": "phq9",
        "timepoint": "start",
        "answered_at": f"{STARTED}T10:11:12+11:00",
        "answers": answers,
        **changes,
    }


@dataclass
class Platform:
    """The platform, with its token. What it is answered is werkzeug's TestResponse, its JSON a value of any kind."""

    harness: WebHarness
    name: str = "platform"

    def put(self, path: str, body: Any, **more: Any) -> Any:
        """PUT under /programme."""
        return self.harness.call(self.name, "PUT", f"/programme{path}", json=body, **more)

    def post(self, path: str, body: Any) -> Any:
        """POST under /programme."""
        return self.harness.call(self.name, "POST", f"/programme{path}", json=body)

    def get(self, path: str) -> Any:
        """GET under /programme."""
        return self.harness.get(self.name, f"/programme{path}")

    def enrol(self, name: str = "e1", **changes: Any) -> str:
        """Enrols somebody; our id of the person."""
        answer = self.put(f"/enrolments/{name}", enrolment(**changes))
        assert answer.status_code == 201, answer.text
        found: str = answer.json["person"]
        return found


def faults(answer: Any) -> list[str]:
    """The fields that an error names."""
    assert answer.content_type == "application/json"
    assert set(answer.json) == {"status", "faults", "who_acts"}
    assert answer.json["status"] == answer.status_code and answer.json["who_acts"]
    return [fault["field"] for fault in answer.json["faults"]]


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Every member of a JSON value, however deep."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name), inner
            yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)
