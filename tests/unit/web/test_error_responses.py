"""Each kind of error has one status, one code and one who must act, at every door."""

import pytest
from flask import Flask
from werkzeug.exceptions import BadRequest, MethodNotAllowed

from fhir_pmp.errors import Fault, FhirPmpError, NotAllowed, NotFound, NotUnderstood, Refused, TryLater
from fhir_pmp.fhir.serialization.json_reader import BodyTooLarge, NotStrictJson
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored, StoreBusy
from fhir_pmp.web.error_responses import (
    ErrorDescription,
    PreconditionMissing,
    build_error_response,
    describe_error,
    error_json,
    install_errors,
)

EXPECTED = {
    NotUnderstood: (400, "invalid"),
    NotStrictJson: (400, "structure"),
    BodyTooLarge: (413, "too-long"),
    PreconditionMissing: (400, "required"),
    NotFound: (404, "not-found"),
    NotStored: (404, "not-found"),
    NotAllowed: (409, "business-rule"),
    ChangedMeanwhile: (412, "conflict"),
    TryLater: (503, "transient"),
    StoreBusy: (503, "transient"),
    Refused: (502, "processing"),
}


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    install_errors(app)
    return app


@pytest.mark.parametrize("kind", EXPECTED)
def test_each_error_is_told_by_status_and_code(app: Flask, kind: type[FhirPmpError]) -> None:
    with app.test_request_context("/fhir/Patient"):
        description = describe_error(kind("is wrong", field="Patient.name"))
        assert (description.status, description.kind.value) == EXPECTED[kind]
        outcome = build_error_response(description).get_json()
    issue = outcome["issue"][0]
    assert (issue["diagnostics"], issue["expression"]) == ("is wrong", ["Patient.name"])


def test_every_fault_is_told(app: Flask) -> None:
    error = NotUnderstood(faults=[Fault("a", "is one"), Fault("b", "is two")])
    with app.test_request_context("/programme/people"):
        description = describe_error(error)
        assert error_json(description)["faults"] == [
            {"field": "a", "what": "is one"},
            {"field": "b", "what": "is two"},
        ]
        assert (
            build_error_response(description).get_json()["who_acts"]
            == "The sender corrects it and sends it again."
        )


def test_try_later_says_when(app: Flask) -> None:
    with app.test_request_context("/fhir/Patient"):
        assert describe_error(TryLater("busy", after_seconds=0.2)).headers["Retry-After"] == "1"
        assert describe_error(TryLater("busy", after_seconds=30)).headers["Retry-After"] == "30"
        assert int(describe_error(TryLater("busy")).headers["Retry-After"]) > 0


def test_a_librarys_own_words_are_not_passed_on(app: Flask) -> None:
    with app.test_request_context("/fhir/Patient"):
        description = describe_error(BadRequest("could not parse 'Zebulon Canary'"))
        assert "Canary" not in str(description.faults)
        assert describe_error(MethodNotAllowed(["GET"])).headers["Allow"] == "GET"


def test_marshmallows_faults_are_told_by_field(app: Flask) -> None:
    error = BadRequest()
    error.code = 422
    error.data = {"messages": {"json": {"answers": {0: {"item": ["Unknown field."]}}, "name": ["Missing."]}}}  # type: ignore[attr-defined]
    with app.test_request_context("/programme/people"):
        description = describe_error(error)
    assert description.status == 422
    assert description.faults == (Fault("answers[0].item", "Unknown field."), Fault("name", "Missing."))


def test_an_error_is_told_also_where_its_page_fails() -> None:
    def broken(_: ErrorDescription) -> str:
        raise KeyError("Canary")

    app = Flask(__name__)
    install_errors(app, broken)
    with app.test_request_context("/people/1"):
        page = build_error_response(describe_error(NotFound("no such person")))
    assert page.status_code == 404
    assert "no such person" in page.get_data(as_text=True)
    assert "Canary" not in page.get_data(as_text=True)


def test_a_page_escapes_what_it_tells(app: Flask) -> None:
    with app.test_request_context("/people/1"):
        page = build_error_response(describe_error(NotUnderstood("holds <script>", field="name")))
    assert page.mimetype == "text/html"
    assert "<script>" not in page.get_data(as_text=True)
    assert "&lt;script&gt;" in page.get_data(as_text=True)
