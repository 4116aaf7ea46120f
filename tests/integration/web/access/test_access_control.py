"""The gate: who calls is settled before a body is read; what nobody opened is closed; no access without audit."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from flask import Flask, request
from sqlalchemy import create_engine, text
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from fhir_pmp.app import create_app
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.store.access.clients import ClientKind
from fhir_pmp.store.errors import StoreBusy
from fhir_pmp.web.access.policy import CallerKind, allow
from tests.integration.web.web_harness import BASE, WebHarness


class _Unreadable(io.RawIOBase):
    """A body that must not be touched."""

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: Any) -> NoReturn:
        raise AssertionError("the body was read")


def _send_unreadable(harness: WebHarness, path: str, **headers: str) -> int:
    type = "application/x-www-form-urlencoded"
    builder = EnvironBuilder(
        path, BASE, method="POST", headers=Headers(headers), content_type=type, content_length=100
    )
    environ = builder.get_environ() | {
        "wsgi.input": io.BufferedReader(_Unreadable()),
        "CONTENT_LENGTH": "100",
    }
    _, status, _ = run_wsgi_app(harness.app, environ)
    return int(status[:3])


def test_no_body_is_read_before_the_caller_is_known(harness: WebHarness) -> None:
    path = "/fhir/Patient/_search"
    assert _send_unreadable(harness, path) == 401
    assert _send_unreadable(harness, path, Authorization="Bearer guessed") == 401
    assert _send_unreadable(harness, path, Authorization=f"Bearer {harness.tokens['platform']}") == 403
    assert _send_unreadable(harness, "/fhir/nothing") == 404
    # The stream does what it says: a known caller's body is read, and that is seen.
    assert _send_unreadable(harness, path, Authorization=f"Bearer {harness.tokens['ehr']}") == 500


def test_each_token_opens_its_own_door_only(harness: WebHarness) -> None:
    assert harness.get("ehr", "/fhir/Patient").status_code == 200
    assert harness.get("practice", "/fhir/Patient").status_code == 200
    refused = harness.get("platform", "/fhir/Patient")
    assert refused.status_code == 403
    assert refused.json["issue"][0]["code"] == "forbidden"  # type: ignore[index]


def test_what_is_no_token_of_ours_is_told_to_log_in(harness: WebHarness) -> None:
    token = harness.tokens["ehr"]
    for given in ("", "Bearer", "Bearer ", f"Basic {token}", token, f"Bearer {token}x", f"Bearer  {token}",
                  f"Bearer {token} {token}", "Bearer \xff", f"bearer {token[:-1]}"):  # fmt: skip
        answer = harness.get(None, "/fhir/Patient", headers={"Authorization": given})
        assert answer.status_code == 401, given
        assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")
        assert answer.json["issue"][0]["code"] == "login"  # type: ignore[index]


def test_a_disabled_client_is_unknown_from_the_next_request_on(harness: WebHarness) -> None:
    with harness.store.begin() as uow:
        found = uow.clients.find_by_name("ehr")
        assert found is not None
        uow.clients.set_disabled(found.id, True)
    assert harness.get("ehr", "/fhir/Patient").status_code == 401


def test_tokens_are_kept_as_hashes_only(harness: WebHarness, migrated_url: str, tmp_path: Path) -> None:
    harness.client(ClientKind.EHR, "another")
    harness.get("another", "/fhir/Patient")
    engine = create_engine(migrated_url)
    with engine.connect() as connection:
        kept = [connection.execute(text(f"SELECT * FROM {table}")).all() for table in ("clients", "audit")]
    engine.dispose()
    assert [len(rows) > 0 for rows in kept] == [True, True]
    for token in harness.tokens.values():
        assert token not in repr(kept)
        assert all(token.encode() not in file.read_bytes() for file in tmp_path.rglob("store.db*"))


def _with_routes(harness: WebHarness) -> Flask:
    app = create_app(harness.web_context)

    def closed() -> str:
        return "secret"

    @allow(CallerKind.ANYONE)
    def broken() -> str:
        raise RuntimeError("Canary Patient, born 1970")

    app.add_url_rule("/closed", view_func=closed)
    app.add_url_rule("/fhir/Closed", endpoint="closed_fhir", view_func=closed)
    app.add_url_rule("/broken", view_func=broken)
    app.add_url_rule("/fhir/broken", endpoint="broken_fhir", view_func=broken)
    app.add_url_rule("/programme/broken", endpoint="broken_programme", view_func=broken)
    return app


def test_a_view_that_nobody_opened_is_closed_to_everybody(harness: WebHarness) -> None:
    browser = _with_routes(harness).test_client()
    headers = {"Authorization": f"Bearer {harness.tokens['ehr']}"}
    for path in ("/closed", "/fhir/Closed"):
        answer = browser.get(path, base_url=BASE, headers=headers)
        assert answer.status_code == 403
        assert b"secret" not in answer.data


@pytest.mark.promise("P10")
def test_the_unexpected_is_told_by_its_number_alone(
    harness: WebHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = _with_routes(harness).test_client()
    for path in ("/broken", "/fhir/broken", "/programme/broken"):
        answer = browser.get(path, base_url=BASE)
        assert answer.status_code == 500
        assert answer.headers["X-Request-Id"].encode() in answer.data
        for leaked in (b"Canary", b"Traceback", b"RuntimeError", b".py"):
            assert leaked not in answer.data
    assert browser.get("/fhir/broken", base_url=BASE).json["issue"][0]["code"] == "exception"  # type: ignore[index]
    assert browser.get("/programme/broken", base_url=BASE).json["status"] == 500  # type: ignore[index]
    logged = capsys.readouterr()
    assert "Canary" not in logged.out + logged.err
    assert "RuntimeError at" in logged.out + logged.err


@pytest.mark.promise("P8")
def test_nothing_is_given_away_that_could_not_be_written_down(
    harness: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_audit = harness.get("ehr", "/fhir/Questionnaire")

    def full(_self: object, _row: AuditRow) -> NoReturn:
        raise StoreBusy

    monkeypatch.setattr(type(harness.web_context.audit), "write", full)
    answer = harness.get("ehr", "/fhir/Questionnaire")
    assert (with_audit.status_code, answer.status_code) == (200, 503)
    assert answer.json["issue"][0]["code"] == "transient"  # type: ignore[index]
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.promise("P8")
def test_refused_callers_are_written_down_too(harness: WebHarness) -> None:
    before = len(harness.audit_rows())
    harness.get(None, "/fhir/Patient")
    harness.get("platform", "/fhir/Patient")
    rows = harness.audit_rows()[before:]
    assert [(row.who, row.outcome, row.persons) for row in rows] == [
        ("anonymous", "401", ()),
        ("client:platform", "403", ()),
    ]


def test_a_body_that_is_too_large_is_refused(harness: WebHarness) -> None:
    form = {"identifier": "x" * 1_000_001}
    answer = harness.call("ehr", "POST", "/fhir/Patient/_search", data=form)
    assert answer.status_code == 413
    assert answer.json["issue"][0]["code"] == "too-long"  # type: ignore[index]


def test_another_host_is_not_answered(harness: WebHarness) -> None:
    browser = harness.app.test_client(use_cookies=False)
    assert browser.get("/fhir/metadata", base_url="http://evil.example").status_code == 400
    assert browser.get("/fhir/metadata", base_url="http://127.0.0.1:8000").status_code == 200


def test_the_address_behind_a_proxy_is_believed_as_far_as_proxies_stand_there(harness: WebHarness) -> None:
    seen: list[str | None] = []

    def app_behind(hops: int) -> Flask:
        app = create_app(replace(harness.web_context, proxy_hops=hops))

        @allow(CallerKind.ANYONE)
        def who() -> str:
            seen.append(request.remote_addr)
            return ""

        app.add_url_rule("/who", view_func=who)
        return app

    forged = {"X-Forwarded-For": "6.6.6.6, 10.0.0.1"}
    for hops in (0, 1, 2):
        app_behind(hops).test_client().get("/who", base_url=BASE, headers=forged)
    assert seen == ["127.0.0.1", "10.0.0.1", "6.6.6.6"]


def test_every_kind_of_answer_bears_the_headers(harness: WebHarness) -> None:
    for path in (
        "/fhir/metadata",
        "/fhir/Patient",
        "/fhir/nothing",
        "/nothing",
        "/health/live",
        "/programme/nothing",
    ):
        headers = harness.get(None, path).headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Cache-Control"] == "no-store", path
        assert headers["Referrer-Policy"] == "same-origin", path
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"], path
        assert "Server" not in headers, path


def test_over_https_browsers_are_told_to_stay_there(harness: WebHarness) -> None:
    app = create_app(replace(harness.web_context, public_url="https://pain.example"))
    answer = app.test_client().get("/fhir/metadata", base_url="https://pain.example")
    assert "max-age=" in answer.headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in harness.get(None, "/fhir/metadata").headers


def test_errors_before_any_view_are_outcomes_too(harness: WebHarness) -> None:
    for method, path, status, code in (
        ("GET", "/fhir/nothing", 404, "not-found"),
        ("GET", "/fhir/Patient/a/b/c", 404, "not-found"),
        ("GET", "/fhir/Patient/a%20b", 404, "not-found"),
        ("GET", "/fhir", 405, "not-supported"),
        ("DELETE", "/fhir/Patient/a", 405, "not-supported"),
        ("PATCH", "/fhir/metadata", 405, "not-supported"),
        ("OPTIONS", "/fhir/metadata", 405, "not-supported"),
    ):
        answer = harness.call("ehr", method, path)
        assert (answer.status_code, answer.content_type) == (status, "application/fhir+json"), (method, path)
        issue = answer.json["issue"][0]  # type: ignore[index]
        assert (issue["severity"], issue["code"]) == ("error", code), (method, path)
        if status == 405:
            assert answer.headers["Allow"], (method, path)
