"""Every route of the app, walked with every visitor: nobody sees another's people, and every look is written down."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice, product
from typing import Any

import pytest
from flask import Response
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from fhir_pmp.fhir.search.parameters import SEARCH_TABLE
from fhir_pmp.store.access.accounts import Role
from fhir_pmp.web.access.policy import find_policy
from fhir_pmp.web.access.sessions import start_session
from tests.integration.web.canary_people import Canary, create_canary_people, references_in
from tests.integration.web.web_harness import WebHarness

BASE = "https://localhost"
MOST_PATHS = 100
"""Of one rule."""
WITHOUT_AUDIT = ("/.well-known/jwks.json", "/health/", "/metrics", "/static/", "/programme/openapi.json")
"""What holds nobody's data; tests/structure/test_route_policies.py says that it is this and no more."""


@pytest.fixture
def people(harness: WebHarness) -> dict[str, Canary]:
    return create_canary_people(harness)


@dataclass(frozen=True)
class RecordedCall:
    """One request and what came of it."""

    who: str
    method: str
    path: str
    sent: str
    answer: TestResponse

    @property
    def response_text(self) -> str:
        """The body, without what the caller had said itself."""
        body = self.answer.get_data(as_text=True)
        for own in (self.path, self.path.replace("&", "&amp;"), self.sent):
            body = body.replace(own, "") if len(own) > 5 else body
        return body


def _callers(harness: WebHarness) -> dict[str, FlaskClient]:
    callers = {"nobody": harness.app.test_client()}
    for name in harness.tokens:
        callers[name] = harness.app.test_client(use_cookies=False)
        callers[name].environ_base["HTTP_AUTHORIZATION"] = f"Bearer {harness.tokens[name]}"
    for login, role in (("ada", Role.CLINICIAN), ("root", Role.ADMINISTRATOR)):
        account, given = harness.account(login, role), Response()
        with harness.app.test_request_context(base_url=BASE):
            start_session(harness.web_context, account, given, harness.clock())
        callers[login] = harness.app.test_client()
        value = given.headers.getlist("Set-Cookie")[-1].partition("=")[2].partition(";")[0]
        callers[login].set_cookie("__Host-session", value, secure=True, httponly=True)
    return callers


def _paths(harness: WebHarness, rule: Rule, people: dict[str, Canary]) -> Iterator[str]:
    """The rule's address with every resource and every id of the three, and with ids of nothing."""
    references = [
        "Patient/nobody",
        *(one for canary in people.values() for one in _some_of_each_type(canary)),
    ]
    with harness.store.read() as uow:
        referrals = [one.id for canary in people.values() for one in uow.referrals.of_person(canary.person)]
    ids = [*referrals, *(one.partition("/")[2] for one in references)]
    adapter = harness.app.url_map.bind("localhost", url_scheme="https")
    if {"type", "id"} <= rule.arguments:
        chosen = [{"type": kind, "id": id} for kind, id in (one.split("/") for one in references)]
    elif "type" in rule.arguments:
        chosen = [{"type": kind} for kind in sorted({*SEARCH_TABLE.served, "Condition"})]
    else:
        names = sorted(rule.arguments)
        numbers = [name for name in names if f"<int:{name}>" in rule.rule or name == "lesson"]
        offered = [list(map(str, range(5))) if name in numbers else ids for name in names]
        chosen = [dict(zip(names, values, strict=True)) for values in product(*offered)]
    for values in chosen:
        more = dict.fromkeys(rule.arguments - values.keys(), "1")
        yield adapter.build(rule.endpoint, {**values, **more})


def _some_of_each_type(canary: Canary) -> Iterator[str]:
    """Two resources of each type on each side: they are guarded by type and side, not one by one."""
    for side in (canary.referral_resources, canary.record_resources):
        for _, same_type in groupby(sorted(side), key=lambda one: one.partition("/")[0]):
            yield from islice(same_type, 2)


def _queries(rule: Rule, method: str, people: dict[str, Canary]) -> list[str]:
    if not rule.rule.endswith("<fhir_type:type>") or method == "HEAD":
        return [""]
    about = [f"?patient={canary.person}" for canary in people.values()]
    return ["", "?_count=200", *about, *(f"?identifier=m-{name.lower()}" for name in people)]


def _bodies(rule: Rule, method: str, path: str, people: dict[str, Canary]) -> list[dict[str, Any]]:
    if method in ("GET", "HEAD"):
        return [{}]
    if rule.rule.endswith("/_search"):
        return (
            [{"data": {"identifier": f"m-{name.lower()}"}} for name in people]
            if "Patient" in path
            else [{"data": {}}]
        )
    task = {"resourceType": "Task", "id": path.rpartition("/")[2], "status": "cancelled"}
    headers = {"Content-Type": "application/json", "If-Match": 'W/"99"'}
    return [{"data": json.dumps(task), "headers": headers}]


def _call_every_route(harness: WebHarness, people: dict[str, Canary]) -> Iterator[RecordedCall]:
    callers = _callers(harness)
    for rule in harness.app.url_map.iter_rules():
        for method in sorted(rule.methods or ()):
            # HEAD runs the same view as GET and shows no body: a few of them show that it is written down.
            for path in islice(_paths(harness, rule, people), 3 if method == "HEAD" else MOST_PATHS):
                for query in _queries(rule, method, people):
                    for body in _bodies(rule, method, path, people):
                        for who, caller in callers.items():
                            answer = caller.open(path + query, method=method, base_url=BASE, **body)
                            yield RecordedCall(who, method, path + query, str(body.get("data", "")), answer)


def _hidden(people: dict[str, Canary]) -> dict[str, tuple[set[str], set[str]]]:
    """For each visitor: the families it must not read of, and the resources it must not see named."""
    a, b, c = people["Aardvark"], people["Bumblebee"], people["Capybara"]
    everybody = {canary.family for canary in people.values()}
    all_resources = a.all_resources | b.all_resources | c.all_resources
    return {
        "nobody": (everybody, set(all_resources)),
        "monitoring": (everybody, set(all_resources)),
        "platform-2": (everybody, set(all_resources)),
        "ehr": ({c.family}, set(b.record_resources | c.all_resources)),
        "practice": ({b.family, c.family}, set(b.all_resources | c.all_resources | a.record_resources)),
        "rival": ({a.family, c.family}, set(a.all_resources | c.all_resources | b.record_resources)),
        "platform": (set(), set()),
        "ada": (set(), set()),
        "root": (set(), set()),
    }


@pytest.mark.promise("P8")
@pytest.mark.slow
def test_nobody_sees_what_is_not_for_them_on_any_route_and_every_look_is_written_down(
    harness: WebHarness, people: dict[str, Canary]
) -> None:
    hidden = _hidden(people)
    before = len(harness.audit_rows())
    audited_ids, seen = [], Counter[tuple[str, str]]()
    by_request: dict[str, set[str]] = {}
    for call in _call_every_route(harness, people):
        assert call.answer.status_code < 500, call
        families, resources = hidden[call.who]
        shown = {canary.family for canary in people.values() if canary.is_named_in(call.response_text)}
        assert not shown & families, call
        assert not references_in(call.response_text) & resources, call
        seen.update((call.who, family) for family in shown)
        by_request[call.answer.headers["X-Request-Id"]] = {people[family].person for family in shown}
        if not call.path.startswith(WITHOUT_AUDIT):
            audited_ids.append(call.answer.headers["X-Request-Id"])
    rows = harness.audit_rows()[before:]
    assert Counter(row.request_id for row in rows) == Counter(audited_ids)
    for row in rows:
        assert by_request[row.request_id] <= set(row.persons), row
    # The walk did come past them: without this it would prove nothing.
    assert all(seen[who, "Aardvark"] for who in ("ehr", "practice"))
    assert all(seen[who, "Bumblebee"] for who in ("ehr", "rival"))


def test_a_visitor_of_one_door_is_turned_away_at_the_others(
    harness: WebHarness, people: dict[str, Canary]
) -> None:
    callers = _callers(harness)
    for rule in harness.app.url_map.iter_rules():
        path = next(_paths(harness, rule, people), rule.rule)
        for method in sorted(rule.methods or ()):
            policy = find_policy(harness.app, rule.endpoint, method)
            assert policy is not None
            if "anyone" in policy.callers:
                continue
            for who, kind in {"nobody": None, "ehr": "ehr", "practice": "practice", "platform": "platform",
                              "ada": "clinician", "root": "administrator"}.items():  # fmt: skip
                if kind in policy.callers:
                    continue
                answer = callers[who].open(path, method=method, base_url=BASE)
                assert answer.status_code in (303, 401, 403), (who, method, path)
                if answer.status_code == 303:
                    assert answer.headers["Location"].endswith("/login")
