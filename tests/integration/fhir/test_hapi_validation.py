"""A real HAPI FHIR server finds no error in anything we publish, and every warning it has is explained in the docs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.hapi.server import HapiServer
from tests.unit.fhir.every_resource import every_resource

LIST = Path(__file__).parents[3] / "docs" / "reference" / "validation-warnings.md"
HEADERS = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
Issues = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def issues(hapi: HapiServer) -> Iterator[Issues]:
    """What `$validate` says of every resource, by its name. The definitions are stored before anything refers to them."""
    every = every_resource()
    with requests.Session() as session:
        session.headers.update(HEADERS)
        for name, rendered in every.items():
            if name.startswith("definition"):
                stored = session.put(
                    f"{hapi.base_url}/{rendered.reference}", data=rendered.content, timeout=60
                )
                assert stored.status_code in (200, 201), stored.text
        by_name: Issues = {}
        for name, rendered in every.items():
            url = f"{hapi.base_url}/{rendered.type}/$validate"
            by_name[name] = session.post(url, data=rendered.content, timeout=120).json()["issue"]
    yield by_name


@pytest.mark.slow
def test_it_finds_no_error_in_any_type_and_state(issues: Issues) -> None:
    wrong = {
        name: [one["diagnostics"] for one in found if one["severity"] in ("error", "fatal")]
        for name, found in issues.items()
    }
    assert {name: errors for name, errors in wrong.items() if errors} == {}
    assert len(issues) > 300


@pytest.mark.slow
def test_it_can_find_an_error(hapi: HapiServer, issues: Issues) -> None:
    body = b'{"resourceType":"QuestionnaireResponse","questionnaire":"https://pmp.example/fhir/Questionnaire/phq9|1"}'
    found = requests.post(
        f"{hapi.base_url}/QuestionnaireResponse/$validate", data=body, headers=HEADERS, timeout=60
    ).json()["issue"]
    assert any(one["severity"] == "error" for one in found)


@pytest.mark.slow
def test_every_kind_of_warning_is_explained_and_none_is_explained_that_does_not_occur(issues: Issues) -> None:
    occurring = {_kind(one) for found in issues.values() for one in found if one["severity"] != "error"}
    explained = set(re.findall(r"^\| `([^`]+)` \|", LIST.read_text(encoding="utf-8"), re.MULTILINE))
    # HAPI says this when it has nothing else to say.
    assert occurring - {"nothing"} == explained


def _kind(issue: dict[str, Any]) -> str:
    coded = issue.get("details", {}).get("coding", [{}])[0].get("code")
    if coded is None:
        return (
            "nothing" if issue["diagnostics"].startswith("No issues detected") else str(issue["diagnostics"])
        )
    return str(coded).rpartition("#")[2]
