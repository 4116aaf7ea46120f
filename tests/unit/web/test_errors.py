"""Each kind of error has one status, one code and one who must act, at every door."""

import pytest
from flask import Flask
from werkzeug.exceptions import BadRequest, MethodNotAllowed

from fhir_pmp.errors import Fault, FhirPmpError, NotAllowed, NotFound, NotUnderstood, Refused, TryLater
from fhir_pmp.fhir.json_reader import BodyTooLarge, NotStrictJson
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored, StoreBusy
from fhir_pmp.web.errors import PreconditionMissing, Told, answer, as_json, install_errors, tell

TOLD = {
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


@pytest.mark.parametrize("kind", TOLD)
def test_each_error_is_told_by_status_and_code(app: Flask, kind: type[FhirPmpError]) -> None:
    with app.test_request_context("/fhir/Patient"):
        told = tell(kind("is wrong", field="Patient.name"))
        assert (told.status, told.kind.value) == TOLD[kind]
        outcome = answer(told).get_json()
    issue = outcome["issue"][0]
    assert (issue["diagnostics"], issue["expression"]) == ("is wrong", ["Patient.name"])


def test_every_fault_is_told(app: Flask) -> None:
    error = NotUnderstood(faults=[Fault("a", "is one"), Fault("b", "is two")])
    with app.test_request_context("/programme/people"):
        told = tell(error)
        assert as_json(told)["faults"] == [{"field": "a", "what": "is one"}, {"field": "b", "what": "is two"}]
        assert answer(told).get_json()["who_acts"] == "The sender corrects it and sends it again."


def test_try_later_says_when(app: Flask) -> None:
    with app.test_request_context("/fhir/Patient"):
        assert tell(TryLater("busy", after_seconds=0.2)).headers["Retry-After"] == "1"
        assert tell(TryLater("busy", after_seconds=30)).headers["Retry-After"] == "30"
        assert int(tell(TryLater("busy")).headers["Retry-After"]) > 0


def test_a_librarys_own_words_are_not_passed_on(app: Flask) -> None:
    with app.test_request_context("/fhir/Patient"):
        told = tell(BadRequest("could not parse 'Zebulon Canary'"))
        assert "Canary" not in str(told.faults)
        assert tell(MethodNotAllowed(["GET"])).headers["Allow"] == "GET"


def test_marshmallows_faults_are_told_by_field(app: Flask) -> None:
    error = BadRequest()
    error.code = 422
    error.data = {"messages": {"json": {"answers": {0: {"item": ["Unknown field."]}}, "name": ["Missing."]}}}  # type: ignore[attr-defined]
    with app.test_request_context("/programme/people"):
        told = tell(error)
    assert told.status == 422
    assert told.faults == (Fault("answers[0].item", "Unknown field."), Fault("name", "Missing."))


def test_an_error_is_told_also_where_its_page_fails() -> None:
    def broken(_: Told) -> str:
        raise KeyError("Canary")

    app = Flask(__name__)
    install_errors(app, broken)
    with app.test_request_context("/people/1"):
        page = answer(tell(NotFound("no such person")))
    assert page.status_code == 404
    assert "no such person" in page.get_data(as_text=True)
    assert "Canary" not in page.get_data(as_text=True)


def test_a_page_escapes_what_it_tells(app: Flask) -> None:
    with app.test_request_context("/people/1"):
        page = answer(tell(NotUnderstood("holds <script>", field="name")))
    assert page.mimetype == "text/html"
    assert "<script>" not in page.get_data(as_text=True)
    assert "&lt;script&gt;" in page.get_data(as_text=True)
