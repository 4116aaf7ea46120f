"""An EHR that rings: our web process over the same database as the sync, and the rest-hooks it is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from flask import Flask
from werkzeug.test import TestResponse

from fhir_pmp.app import create_app
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.store.audit_writer import AuditWriter
from fhir_pmp.store.inbox import Arrival
from fhir_pmp.web.access.webhook_signature import sign
from fhir_pmp.web.context import WebContext
from tests.integration.ehr.sample_resources import HOSPITAL
from tests.integration.ehr.sync_harness import Resource, SyncHarness
from tests.stub_ehr.json_text import to_json

SECRET = b"a-secret-of-the-hospitals-webhook-that-is-long-enough"
BASE = "http://localhost"


class WebhookSender:
    """The hooks of our web process."""

    def __init__(self, harness: SyncHarness, app: Flask) -> None:
        self._harness = harness
        self.app = app

    def send_webhook(
        self,
        resource: Resource | bytes | None,
        *,
        method: str = "POST",
        place: str = "",
        secret: bytes = SECRET,
        late: float = 0.0,
        signature: str | None = None,
        header: str | None = None,
        key: str | None = None,
    ) -> TestResponse:
        """One rest-hook. Signed, unless `header` is what its Subscription carries instead."""
        body = resource if isinstance(resource, bytes) else b"" if resource is None else to_json(resource)
        given = {} if key is None else {"Idempotency-Key": key}
        if header is not None:
            given["Authorization"] = header
        else:
            seconds = int(self._harness.now.timestamp() - late)
            given["X-Signature"] = sign(secret, seconds, body) if signature is None else signature
        caller = self.app.test_client(use_cookies=False)
        path = f"/hooks/{HOSPITAL}" + (f"/{place}" if place else "")
        content = "application/fhir+json"
        return caller.open(path, method=method, base_url=BASE, data=body, headers=given, content_type=content)

    def kept(self) -> list[Arrival]:
        """What was kept of what rang."""
        with self._harness.store.read() as uow:
            return uow.inbox.list_by_channel("hook")

    def audit(self) -> list[AuditRow]:
        """What the audit says of it."""
        with self._harness.store.read() as uow:
            rows = [row for _, row in uow.audit.list_all(limit=100_000)]
        return [row for row in rows if row.route.startswith("/hooks")]


@contextmanager
def webhook_sender(harness: SyncHarness) -> Iterator[WebhookSender]:
    """The door, over the house's database and clock."""
    nothing = cast(Any, None)
    audit = AuditWriter(harness.store)
    web_context = WebContext(
        store=harness.store,
        clinic=nothing,
        sources={},
        publisher=nothing,
        letter_context=nothing,
        audit=audit,
        clock=lambda: harness.now,
        public_url=BASE,
        secret_key=b"0" * 32,
        hook_secrets={HOSPITAL: SECRET},
    )
    yield WebhookSender(harness, create_app(web_context))
    audit.close()
