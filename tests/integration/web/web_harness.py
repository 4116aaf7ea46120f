"""The web process over a store of its own, without a server in between: who calls, what is published, what the clock says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fhir_pmp.app import create_app
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, render
from fhir_pmp.identifiers import ClientId, DestinationId, EpisodeId, Identifier, PersonId, SourceId
from fhir_pmp.intake.csv_import.source_loading import load_sources
from fhir_pmp.letters.context import LetterContext
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.episode_states import EpisodeEvent
from fhir_pmp.pathway.facts import Episode, EpisodeState, Person, Sex, Sharing
from fhir_pmp.publishing.publisher import PublishedResource, Publisher
from fhir_pmp.publishing.startup import prepare_publishing
from fhir_pmp.store import Store
from fhir_pmp.store.access.accounts import Account, Role
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.store.access.clients import ClientKind
from fhir_pmp.store.audit_writer import AuditWriter
from fhir_pmp.web.access.passwords import hash_password
from fhir_pmp.web.access.tokens import new_token, token_hash
from fhir_pmp.web.context import WebContext

MAPPINGS = Path(__file__).parents[3] / "mappings"
BASE = "http://localhost"
START = datetime(2026, 4, 5, 2, 59, 59, 123000, tzinfo=UTC)  # the night Sydney's clocks go back
PASSWORD = "correct horse battery"
SECRET = b"a secret of the tests, 32 bytes at least"


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class WebHarness:
    """Everything a web test needs."""

    store: Store
    clinic: ClinicalContext
    publisher: Publisher
    web_context: WebContext
    app: Flask
    clock: Clock
    tokens: dict[str, str] = field(default_factory=dict)

    def client(self, kind: ClientKind, name: str, **known: Any) -> str:
        """Registers a client; the token is remembered under the name."""
        token = new_token()
        with self.store.begin() as uow:
            uow.clients.add(
                ClientId(name), name=name, kind=kind, token_hash=token_hash(token), now=self.clock(), **known
            )
        self.tokens[name] = token
        return token

    def account(self, login: str = "ada", role: Role = Role.CLINICIAN, password: str = PASSWORD) -> Account:
        """Somebody who may log in."""
        with self.store.begin() as uow:
            return uow.accounts.add(
                f"account-{login}",
                login=login,
                name=f"Dr {login.title()}",
                role=role,
                registration="PSY0001",
                password_hash=hash_password(password),
                now=self.clock(),
            )

    def browser(self) -> FlaskClient:
        """A browser with its own cookies."""
        return self.app.test_client()

    def call(self, who: str | None, method: str, path: str, **more: Any) -> TestResponse:
        """One request in somebody's name; no cookies."""
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        caller = self.app.test_client(use_cookies=False)
        return caller.open(path, method=method, base_url=BASE, headers=headers, **more)

    def get(self, who: str | None, path: str, **more: Any) -> TestResponse:
        """A GET in somebody's name."""
        return self.call(who, "GET", path, **more)

    def audit_rows(self) -> list[AuditRow]:
        """Every audit row, oldest first."""
        with self.store.read() as uow:
            return [row for _, row in uow.audit.list_all(limit=1_000_000)]

    def publish(self, *resources: RenderedResource) -> list[PublishedResource]:
        """Publishes in one transaction."""
        with self.store.begin() as uow:
            return self.publisher.publish(uow, resources, now=self.clock())

    def enrol(self, name: str, *, share: bool = True) -> PersonId:
        """Somebody with an episode, `patient-<name>` and `episode-<name>`; nothing of it is published."""
        person, episode = PersonId(f"patient-{name}"), EpisodeId(f"episode-{name}")
        with self.store.begin() as uow:
            uow.people.add(
                Person(
                    id=person,
                    given="Ann",
                    family=f"Example {name}",
                    birth_date=date(1970, 1, 2),
                    sex=Sex.FEMALE,
                    identifiers=(Identifier("urn:medicare", f"m-{name}"),),
                    registered_by="source:redcap",
                ),
                now=self.clock(),
            )
            uow.episodes.add(
                _episode(person, episode, share), event=EpisodeEvent.ENROL, by="test", now=self.clock()
            )
        return person

    def consent(self, name: str, share: bool) -> None:
        """Changes somebody's consent, and publishes again what that opens."""
        with self.store.begin() as uow:
            before = uow.episodes.get(EpisodeId(f"episode-{name}"))
            after = uow.episodes.set_consent(before, share, by="test", now=self.clock())
            if share:
                self.publisher.republish_records(uow, after, now=self.clock())


def build_web_harness(store: Store, clinic: ClinicalContext) -> WebHarness:
    """The app over this store, definitions published; `ehr`, `practice` and `platform` have tokens."""
    clock = Clock()
    publisher = Publisher([], zone=ZoneInfo("Australia/Sydney"))
    prepare_publishing(store, publisher, clinic, now=clock())
    web_context = WebContext(
        store=store,
        clinic=clinic,
        sources=load_sources(MAPPINGS / "sources", clinic.programme),
        publisher=publisher,
        letter_context=LetterContext.open(MAPPINGS / "letters", clinic, publisher),
        audit=AuditWriter(store),
        clock=clock,
        public_url=BASE,
        secret_key=SECRET,
        destinations=(DestinationId("hospital"),),
    )
    harness = WebHarness(store, clinic, publisher, web_context, create_app(web_context), clock)
    harness.client(ClientKind.EHR, "ehr")
    harness.client(ClientKind.PRACTICE, "practice", organization=Identifier("urn:practices", "p1"))
    harness.client(ClientKind.PLATFORM, "platform", source=SourceId("redcap-wide"))
    harness.client(ClientKind.MONITORING, "monitoring")
    return harness


def observation(
    id: str,
    of: str,
    *,
    code: str = "phq9",
    on: str = "2026-03-01",
    value: int = 5,
    sharing: Sharing = Sharing.RECORD,
    category: str = "survey",
    owner: str | None = None,
) -> RenderedResource:
    """An Observation about `patient-<of>` in `episode-<of>`."""
    return render(
        {
            "resourceType": "Observation",
            "id": id,
            "identifier": [{"system": "urn:scores", "value": id}],
            "status": "final",
            "category": [{"coding": [{"system": "urn:category", "code": category}]}],
            "code": {
                "coding": [
                    {"system": "http://loinc.org", "code": code},
                    {"system": "urn:ours", "code": f"o-{code}"},
                ]
            },
            "subject": {"reference": f"Patient/patient-{of}"},
            "effectiveDateTime": on,
            "valueQuantity": {"value": value, "unit": "{score}"},
        },
        sharing=sharing,
        person=PersonId(f"patient-{of}"),
        episode=EpisodeId(f"episode-{of}"),
        owner=None if owner is None else ClientId(owner),
    )


def resource(
    kind: str,
    id: str,
    of: str,
    *,
    sharing: Sharing = Sharing.RECORD,
    owner: str | None = None,
    **members: Any,
) -> RenderedResource:
    """Any other resource about `patient-<of>`."""
    return render(
        {"resourceType": kind, "id": id, **members},
        sharing=sharing,
        person=PersonId(f"patient-{of}"),
        episode=None if kind == "Patient" else EpisodeId(f"episode-{of}"),
        owner=None if owner is None else ClientId(owner),
    )


def resource_ids(bundle: Any) -> list[str]:
    """The ids in a Bundle, in order."""
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


def next_link(bundle: Any) -> str | None:
    """The next link of a Bundle."""
    links: Sequence[dict[str, str]] = bundle["link"]
    return next((link["url"] for link in links if link["relation"] == "next"), None)


def _episode(person: PersonId, episode: EpisodeId, share: bool) -> Episode:
    return Episode(
        id=episode,
        person=person,
        state=EpisodeState.ENROLLED,
        referral=None,
        source=SourceId("redcap"),
        enrolment=str(episode),
        share_with_ehr=share,
        doubtful=False,
        referred_on=None,
        enrolled_on=date(2026, 1, 1),
        started_on=None,
        ended_on=None,
        end_reason=None,
        lessons=(),
        practice=None,
    )
