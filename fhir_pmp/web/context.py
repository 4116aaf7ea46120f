"""Holds the objects that every view needs: store, clinic, publisher, clock and secrets.

There is one `WebContext` in a web process; views get it from the running Flask app with `web_context()`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flask import Flask, current_app

from fhir_pmp.identifiers import DestinationId, SourceId
from fhir_pmp.intake.csv_import.sources import Source
from fhir_pmp.letters.context import LetterContext
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store.audit_writer import AuditWriter
from fhir_pmp.store.database import Store

_NAME = "fhir_pmp"


@dataclass(frozen=True, slots=True)
class WebContext:
    """Everything a view may use, built once at start.

    Views read the time from `clock()` only.
    """

    store: Store
    clinic: ClinicalContext
    sources: Mapping[SourceId, Source]
    publisher: Publisher
    letter_context: LetterContext  # previews and signs letters
    audit: AuditWriter
    clock: Callable[[], datetime]  # aware, UTC
    public_url: str  # the URL under which others reach this service, without a trailing slash
    secret_key: bytes  # signs form tokens and encrypts next links; may be rotated
    idle_minutes: int = 15  # a user is logged out after so many minutes without a click
    proxy_hops: int = 0  # number of trusted proxies in front of this service
    jwks: bytes = b'{"keys":[]}'  # the public keys of the key pairs that we sign in at EHRs with
    destinations: tuple[DestinationId, ...] = ()  # the EHRs whose delivery health is reported
    hook_secrets: Mapping[DestinationId, bytes] = field(default_factory=dict)  # of EHRs that send webhooks

    @property
    def publishing(self) -> PublishingContext:
        """The clinic and the publisher, for functions that record and publish."""
        return PublishingContext(self.clinic, self.publisher)

    def __repr__(self) -> str:
        return "WebContext(hidden)"


def set_web_context(app: Flask, web_context: WebContext) -> None:
    """Stores the context in the app, where `web_context()` finds it."""
    app.extensions[_NAME] = web_context


def web_context() -> WebContext:
    """Returns the context of the app that answers this request.

    Raises KeyError where none was set.
    """
    found: WebContext = current_app.extensions[_NAME]
    return found
