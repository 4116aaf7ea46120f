"""The HAPI FHIR server that the demo and the tests start: it validates, survives kill -9, and never outlives us."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.hapi.server import HapiServer, get_json

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.hapi

OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "a score"},
    "valueQuantity": {"value": 7},
}


def _send(method: str, url: str, resource: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        url,
        json.dumps(resource).encode(),
        {"Content-Type": "application/fhir+json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _errors(hapi: HapiServer, resource: dict[str, Any]) -> list[str]:
    outcome = _send("POST", f"{hapi.base_url}/{resource['resourceType']}/$validate", resource)
    return [issue["diagnostics"] for issue in outcome["issue"] if issue["severity"] in ("error", "fatal")]


def test_validate_knows_the_invariants_of_r4_without_any_other_server(hapi: HapiServer) -> None:
    assert _errors(hapi, OBSERVATION) == []
    (only,) = _errors(hapi, OBSERVATION | {"dataAbsentReason": {"text": "asked but unknown"}})
    assert "obs-6" in only


def test_validate_holds_a_response_to_the_questionnaire_that_is_stored(hapi: HapiServer) -> None:
    url = "https://example.org/fhir-pmp/Questionnaire/validated"
    option = {"valueCoding": {"system": "https://example.org/answers", "code": "a"}}
    item = {"linkId": "q1", "type": "choice", "answerOption": [option]}
    questionnaire = {
        "resourceType": "Questionnaire",
        "id": "validated",
        "url": url,
        "status": "active",
        "item": [item],
    }
    _send("PUT", f"{hapi.base_url}/Questionnaire/validated", questionnaire)

    def response(code: str) -> dict[str, Any]:
        answer = {"valueCoding": {"system": "https://example.org/answers", "code": code}}
        return {
            "resourceType": "QuestionnaireResponse",
            "questionnaire": url,
            "status": "completed",
            "item": [{"linkId": "q1", "answer": [answer]}],
        }

    assert _errors(hapi, response("a")) == []
    assert _errors(hapi, response("b")) != []


def test_a_search_right_after_a_write_sees_it_when_asked_not_to_cache(hapi: HapiServer) -> None:
    query = f"{hapi.base_url}/Patient?identifier=https://example.org/no-cache|1&_summary=count"
    assert get_json(query)["total"] == 0
    identifier = [{"system": "https://example.org/no-cache", "value": "1"}]
    _send(
        "PUT",
        f"{hapi.base_url}/Patient/no-cache-1",
        {"resourceType": "Patient", "id": "no-cache-1", "identifier": identifier},
    )
    assert get_json(query)["total"] == 1


def test_a_killed_server_comes_back_at_the_same_address_with_what_it_had(tmp_path: Path) -> None:
    server = HapiServer(tmp_path / "ehr")
    try:
        server.start()
        address = server.base_url
        _send("PUT", f"{address}/Patient/kept-1", {"resourceType": "Patient", "id": "kept-1"})
        # An H2 file loses what was written in the last quarter of a second; this was an orderly write before that.
        server.stop()
        server.start()
        server.kill()
        assert not server.running
        with pytest.raises(urllib.error.URLError):
            get_json(f"{address}/metadata")
        server.start()
        assert server.base_url == address
        assert get_json(f"{address}/Patient/kept-1")["id"] == "kept-1"
    finally:
        server.kill()


def test_the_server_ends_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from tests.hapi.server import HapiServer\n"
        "server = HapiServer(Path(sys.argv[1]), in_memory=True).start()\n"
        "print(server.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        os.kill(pid, 0)
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline, "HAPI outlived the process that started it"
        time.sleep(0.1)
