"""Every route says who may call it; the doors do not mix; nothing but what holds nobody's data goes without audit."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from flask import Flask
from werkzeug.routing import Rule

from fhir_pmp.app import create_app
from fhir_pmp.web.access.policy import CallerKind, Policy, allow, find_policy
from fhir_pmp.web.context import WebContext

OPEN_TO_ANYONE = {
    "/.well-known/jwks.json",
    "/health/live",
    "/health/ready",
    "/fhir/metadata",
    "/login",
    "/programme/openapi.json",
}
"""Routes that nobody needs to be known for. Style sheets and scripts are under /static."""

WITHOUT_AUDIT = {
    "/.well-known/jwks.json",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/programme/openapi.json",
}  # nobody is named there

CALLERS_BY_PREFIX = {
    "fhir": {CallerKind.EHR, CallerKind.PRACTICE},
    "programme": {CallerKind.PLATFORM},
    "hooks": {CallerKind.HOOK},
    "health": {CallerKind.MONITORING},
    "metrics": {CallerKind.MONITORING},
    "": {CallerKind.CLINICIAN, CallerKind.ADMINISTRATOR},
}


@pytest.fixture(scope="module")
def app() -> Flask:
    nothing = cast(Any, None)
    return create_app(
        WebContext(
            store=nothing,
            clinic=nothing,
            sources={},
            publisher=nothing,
            letter_context=nothing,
            audit=nothing,
            clock=nothing,
            public_url="http://localhost",
            secret_key=b"0" * 32,
        )
    )


def _routes(app: Flask) -> Iterator[tuple[Rule, str, Policy | None]]:
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods or ()):
            yield rule, method, find_policy(app, rule.endpoint, method)


def _is_file(rule: Rule) -> bool:
    return rule.rule.startswith("/static/")


def test_every_route_and_method_has_a_policy(app: Flask) -> None:
    without = [f"{method} {rule.rule}" for rule, method, policy in _routes(app) if policy is None]
    assert without == []
    assert len(list(_routes(app))) > 10


def test_only_these_are_open_to_anyone(app: Flask) -> None:
    found = {
        rule.rule
        for rule, _, policy in _routes(app)
        if policy and CallerKind.ANYONE in policy.callers and not _is_file(rule)
    }
    assert found <= OPEN_TO_ANYONE


@pytest.mark.promise("P8")
def test_only_these_go_without_audit(app: Flask) -> None:
    found = {
        rule.rule for rule, _, policy in _routes(app) if policy and not policy.audited and not _is_file(rule)
    }
    assert found == WITHOUT_AUDIT


def test_each_door_lets_in_its_own_visitors_only(app: Flask) -> None:
    for rule, method, policy in _routes(app):
        assert policy is not None
        first = rule.rule.split("/")[1]
        own = CALLERS_BY_PREFIX.get(first, CALLERS_BY_PREFIX[""])
        assert policy.callers - {CallerKind.ANYONE} <= own, f"{method} {rule.rule}"


def test_an_administrator_changes_nothing(app: Flask) -> None:
    changing = {
        rule.rule
        for rule, method, policy in _routes(app)
        if policy
        and method not in ("GET", "HEAD")
        and CallerKind.ADMINISTRATOR in policy.callers
        and policy.action != "query"  # posted so that what is looked for stands in no address
    }
    assert changing <= {"/logout"}


def test_what_the_audit_calls_a_request_fits_its_column(app: Flask) -> None:
    for rule, _, policy in _routes(app):
        assert policy is not None
        assert policy.action is None or len(policy.action) <= 16, rule.rule


def test_a_policy_without_callers_or_without_audit_is_refused() -> None:
    with pytest.raises(ValueError, match="kind of caller"):
        allow()
    with pytest.raises(ValueError, match="audit"):
        allow(CallerKind.CLINICIAN, audited=False)
