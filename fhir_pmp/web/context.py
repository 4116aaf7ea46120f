"""What every view is given: the one object of the web process, found through the running app."""

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
    """Everything a view may use; put together once, at start. Views ask it for the time with `clock()`."""

    store: Store
    clinic: ClinicalContext
    sources: Mapping[SourceId, Source]
    publisher: Publisher
    letter_context: LetterContext  # previews and signs letters
    audit: AuditWriter
    clock: Callable[[], datetime]  # aware, UTC
    public_url: str  # as others reach this service, without a slash at its end
    secret_key: bytes  # signs form tokens and closes next links; may be rotated
    idle_minutes: int = 15  # a clinician is logged out after this long without a click
    proxy_hops: int = 0  # trusted proxies in front
    jwks: bytes = b'{"keys":[]}'  # the public halves of the keys we sign in at EHRs with
    destinations: tuple[DestinationId, ...] = ()  # whose health is told
    hook_secrets: Mapping[DestinationId, bytes] = field(default_factory=dict)  # of EHRs that ring

    @property
    def publishing(self) -> PublishingContext:
        """The clinic and the publisher, for functions that record and publish."""
        return PublishingContext(self.clinic, self.publisher)

    def __repr__(self) -> str:
        return "WebContext(hidden)"


def set_web_context(app: Flask, web_context: WebContext) -> None:
    """Puts the desk where `desk()` finds it."""
    app.extensions[_NAME] = web_context


def web_context() -> WebContext:
    """The desk of the app that answers this request. Raises KeyError for an app that was given none."""
    found: WebContext = current_app.extensions[_NAME]
    return found
