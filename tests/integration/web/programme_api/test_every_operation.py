"""Every operation of the description, called with what it allows and with what it forbids, answers as it describes."""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fhir_pmp.web.programme_api import routes
from fhir_pmp.web.programme_api.openapi_description import description_text
from tests.integration.web.programme_api.platform_client import Platform, phq9
from tests.integration.web.web_harness import BASE, WebHarness

ALWAYS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 15
"""Of each kind for each operation. What is allowed by its shape may still contradict the calendar or the programme, so
that such a request is refused is no fault; that one of a forbidden shape is not refused is."""

assert routes.VIEW_MODULES  # with them the description knows every address
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
PATHS: dict[str, dict[str, Any]] = json.loads(description_text())["paths"]
CALLS = [
    pytest.param(path, method, mode, id=f"{method} {path} {what}")
    for path, methods in PATHS.items()
    for method in methods
    if method != "parameters"
    for mode, what in ((POSITIVE, "as allowed"), (NEGATIVE, "as forbidden"))
    # What takes nothing has nothing that could be forbidden.
    if mode is POSITIVE or "{" in path or "requestBody" in methods[method]
]


def _operation(harness: WebHarness, path: str, method: str) -> Any:
    schema = schemathesis.openapi.from_wsgi("/programme/openapi.json", harness.app)
    return schema[path][method.upper()]


@pytest.mark.parametrize(("path", "method", "mode"), CALLS)
def test_an_operation_answers_as_it_is_described(
    harness: WebHarness, path: str, method: str, mode: GenerationMode
) -> None:
    operation, known = _operation(harness, path, method), _known(harness)
    checks = [*ALWAYS, negative_data_rejection] if mode is NEGATIVE else ALWAYS

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode), about_known_person=st.booleans())
    def called(case: Any, about_known_person: bool) -> None:
        if about_known_person and mode is POSITIVE:
            # Chance would never name anybody who is there.
            case.path_parameters = {**(case.path_parameters or {}), **_named(case.path_parameters, known)}
        answer = case.call(base_url=BASE, headers={"Authorization": f"Bearer {harness.tokens['platform']}"})
        case.validate_response(answer, checks=checks)

    called()


def _known(harness: WebHarness) -> dict[str, str]:
    platform = Platform(harness)
    person = platform.enrol()
    assert platform.put("/responses/r1", phq9()).status_code == 201
    return {"enrolment": "e1", "person": person, "response": "r1"}


def _named(parameters: Any, known: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in known.items() if name in (parameters or {})}
