"""Runs a FHIR server that stores nothing: `python -m bench.delivery.null_server [MILLISECONDS]`.

It prints its address, and after MILLISECONDS answers a transaction of PUTs as if it had created every resource.
"""

import json
import re
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

_PUT = re.compile(rb'"request":\{"method":\s*"PUT",\s*"url":\s*"([^"]+)"')
_ENTRY = b'{"response":{"status":"201 Created","location":"%b/_history/1","etag":"W/\\"1\\""}}'
_ANSWER = b'{"resourceType":"Bundle","type":"transaction-response","entry":[%b]}'
_CAN = ["create", "read", "update"]
_TYPES = [
    "Bundle",
    "CodeSystem",
    "Condition",
    "DocumentReference",
    "EpisodeOfCare",
    "Flag",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
    "QuestionnaireResponse",
    "ServiceRequest",
    "Task",
    "ValueSet",
]
_CAPABILITY = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [
        {
            "mode": "server",
            "interaction": [{"code": "transaction"}, {"code": "batch"}],
            "resource": [
                {"type": kind, "updateCreate": True, "interaction": [{"code": code} for code in _CAN]}
                for kind in _TYPES
            ],
        }
    ],
}


class NullServer(ThreadingTCPServer):
    """A TCP server whose handlers answer after `seconds`."""

    daemon_threads = True
    seconds = 0.0


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: NullServer

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing: logging would cost more than answering."""

    def do_GET(self) -> None:
        """Answers the CapabilityStatement, and 404 for anything else."""
        if self.path.endswith("/metadata"):
            self._answer(200, json.dumps(_CAPABILITY).encode())
        else:
            self._answer(404, b'{"resourceType":"OperationOutcome","issue":[]}')

    def do_POST(self) -> None:
        """Answers a transaction, or a search with no match."""
        body = self._body()
        time.sleep(self.server.seconds)
        if self.path.endswith("_search"):
            self._answer(200, b'{"resourceType":"Bundle","type":"searchset","total":0}')
        else:
            self._answer(200, _ANSWER % b",".join([_ENTRY % place for place in _PUT.findall(body)]))

    def do_PUT(self) -> None:
        """Answers a PUT as a created resource."""
        body = self._body()
        time.sleep(self.server.seconds)
        self._answer(201, body, {"ETag": 'W/"1"'})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        all_headers = {
            "Content-Type": "application/fhir+json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
        for name, value in all_headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def main() -> None:
    """Serves until the process is terminated."""
    with NullServer(("127.0.0.1", 0), _RequestHandler) as server:
        server.seconds = (float(sys.argv[1]) if len(sys.argv) > 1 else 0.0) / 1000
        print(f"http://127.0.0.1:{server.server_address[1]}/fhir", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
