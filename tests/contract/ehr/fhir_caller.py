"""A plain HTTP caller for the contract tests; it knows nothing of fhir_pmp."""

import secrets
from decimal import Decimal
from typing import Any

import requests

from tests.stub_ehr.json_text import from_json, to_json

Resource = dict[str, Any]


class Caller:
    """Talks to one FHIR server."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(
        self, method: str, path: str, body: Resource | bytes | None = None, **headers: str
    ) -> requests.Response:
        """One request; a header's underscores stand for hyphens."""
        sent = {"Accept": "application/fhir+json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = to_json(body) if isinstance(body, dict) else body
        if isinstance(body, dict):
            sent["Content-Type"] = "application/fhir+json"
        url = path if path.startswith("http") else f"{self.address}/{path}".rstrip("/")
        return self._session.request(method, url, data=data, headers=sent, timeout=60, allow_redirects=False)

    def put(self, resource: Resource, **headers: str) -> requests.Response:
        """PUT under the resource's own id."""
        return self.ask("PUT", f"{resource['resourceType']}/{resource['id']}", resource, **headers)

    def get(self, path: str) -> Resource:
        """The resource at this path, which must be there."""
        response = self.ask("GET", path)
        assert response.status_code == 200, response.status_code
        return read(response)

    def search(self, path: str) -> Resource:
        """A search whose result is not a stored one."""
        response = self.ask("GET", path, Cache_Control="no-cache")
        assert response.status_code == 200, response.status_code
        return read(response)

    def process(self, kind: str, *entries: Resource) -> requests.Response:
        """A transaction or batch."""
        return self.ask("POST", "", {"resourceType": "Bundle", "type": kind, "entry": list(entries)})


def read(response: requests.Response) -> Resource:
    """The body as JSON, decimals as written."""
    body = from_json(response.content)
    assert isinstance(body, dict)
    return body


def without_meta(resource: Resource) -> Resource:
    """The content that is ours to compare."""
    return {name: value for name, value in resource.items() if name != "meta"}


def version_of(response: requests.Response) -> str:
    """The version that the ETag names."""
    return response.headers["ETag"].removeprefix("W/").strip('"')


def new_id(kind: str) -> str:
    """An id that no other test has."""
    return f"{kind}-{secrets.token_hex(12)}"


def patient(id_: str | None = None, **more: Any) -> Resource:
    """A Patient with an identifier of its own."""
    id_ = id_ or new_id("person")
    return {
        "resourceType": "Patient",
        "id": id_,
        "identifier": [{"system": "urn:test:person", "value": id_}],
        "name": [{"family": "Contract", "given": ["Test"]}],
        "birthDate": "1970-02-03",
        **more,
    }


def observation(subject: str, id_: str | None = None, value: str = "7.10", **more: Any) -> Resource:
    """A final Observation about a `Patient/…`."""
    id_ = id_ or new_id("score")
    return {
        "resourceType": "Observation",
        "id": id_,
        "identifier": [{"system": "urn:test:score", "value": id_}],
        "status": "final",
        "code": {"coding": [{"system": "urn:test:code", "code": "a-score"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": "2026-03-01T10:11:12+11:00",
        "valueQuantity": {"value": Decimal(value), "unit": "{score}"},
        **more,
    }


def entry(resource: Resource, **request: str) -> Resource:
    """A PUT entry of a Bundle."""
    url = f"{resource['resourceType']}/{resource['id']}"
    return {
        "fullUrl": f"urn:test:{url}",
        "resource": resource,
        "request": {"method": "PUT", "url": url, **request},
    }
