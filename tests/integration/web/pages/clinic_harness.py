"""A clinic's day for the pages: people at every stage come in through the real functions, and somebody may log in."""

import base64
import copy
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import orjson
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from fhir_pmp.app import create_app
from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.identifiers import DestinationId, EpisodeId, Identifier, PersonId, ReferralId
from fhir_pmp.intake.arrivals import RecordingStatus
from fhir_pmp.intake.csv_import.source_loading import load_sources
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.intake.episode.clinician_decisions import accept_referral
from fhir_pmp.intake.referral.referral_receiving import receive_referral
from fhir_pmp.intake.response.response_recording import record_responses
from fhir_pmp.letters.context import LetterContext
from fhir_pmp.letters.lifecycle.drafting import draft_due_letters
from fhir_pmp.letters.rendering.typesetting import Typesetter
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import Store
from fhir_pmp.store.access.accounts import Account, Role
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.store.audit_writer import AuditWriter
from fhir_pmp.store.delivery.deliveries import SentResult
from fhir_pmp.web.access.passwords import hash_password
from fhir_pmp.web.context import WebContext
from tests.integration.letters.letter_harness import (
    LetterHarness,
    build_enrolment,
    build_referral_bundle,
    build_responses,
    moment,
    without_ending,
)
from tests.integration.web.web_harness import SECRET, Clock
from tests.spec.letters.golden_cases import MAPPINGS, clinic, read_yaml, wording

PASSWORD = "correct horse battery"
TODAY = "2026-07-30"
PDF = b"%PDF-1.7 an attachment of the tests"
HOSPITAL = DestinationId("hospital")


@dataclass
class ClinicHarness:
    """The web process over a clinic with people in it. The clock stands at ten in the morning until it is moved."""

    store: Store
    publisher: Publisher
    letter_context: LetterContext
    web_context: WebContext
    app: Flask
    clock: Clock
    clinician: Account  # a clinician
    administrator: Account  # an administrator
    letter_harness: LetterHarness
    people: dict[str, PersonId] = field(default_factory=dict)
    episodes: dict[str, EpisodeId] = field(default_factory=dict)

    @property
    def publishing(self) -> PublishingContext:
        """The clinic and the publisher, for functions that record and publish."""
        return PublishingContext(clinic(), self.publisher)

    # people

    def refer(self, name: str, **changes: Any) -> ReferralId:
        """Somebody is referred, with a diagnosis and a PDF; `changes` replace parts of the ServiceRequest."""
        bundle = with_attachments(build_referral_bundle(facts(name)), changes)
        return self.receive(name, bundle, moment("2026-07-27", 9, 30))

    def receive(self, name: str, bundle: Mapping[str, Any], now: datetime) -> ReferralId:
        """A Bundle of the practice arrives."""
        receive_referral(self.store, self.publishing, self.letter_harness.practice, orjson.dumps(bundle), now)
        number = facts(name)["episode"]["referral_number"]
        with self.store.read() as uow:
            request = Identifier("https://example.org/identifiers/request", number)
            known = uow.referrals.find_by_service_request(self.letter_harness.practice.id, request)
        assert known is not None
        self._remember(name, known.referral.person, known.referral.episode)
        return known.referral.id

    def accept(self, name: str) -> str:
        """Their referral is accepted; its number."""
        with self.store.begin() as uow:
            accept_referral(
                uow,
                self.publishing,
                self.episodes[name],
                by="account:ada",
                now=moment("2026-02-14"),
            )
            return uow.referrals.of_episodes([self.episodes[name]])[self.episodes[name]].number

    def enrol_from_export(
        self, name: str, *, until: str | None = None, share: bool = True, case: str = "item9_positive"
    ) -> EpisodeId:
        """Somebody comes with the platform's export, up to a timepoint; flags stay as they were raised."""
        given = facts(name, case)
        if until is not None:
            names = ["screening", "start", "post", "follow_up"]
            kept = names[: names.index(until) + 1]
            given["answers"] = {at: forms for at, forms in given["answers"].items() if at in kept}
        arrival = build_enrolment(given, None, share)
        if until is not None:
            arrival = without_ending(arrival)
        with self.store.begin() as uow:
            now = moment("2026-04-30", 9)
            results = record_enrolments(uow, self.publishing, [without_ending(arrival)], now)
            results += record_responses(uow, self.publishing, list(build_responses(given)), now)
            results += record_enrolments(uow, self.publishing, [arrival], now)
            assert RecordingStatus.REFUSED not in {result.status for result in results}, results
            found = uow.episodes.find_by_enrolment(arrival.source, arrival.enrolment)
            assert found is not None
        self._remember(name, found.person, found.id)
        return found.id

    def finish(self, name: str, case: str) -> EpisodeId:
        """A golden person goes all the way; flags are acknowledged, letters drafted, nothing signed."""
        episode = self.letter_harness.complete(case)
        self._remember(name, self.letter_harness.episode(episode).person, episode)
        self.draft()
        return episode

    def draft(self) -> None:
        """What is due is drafted, receipts are sent: what sync does."""
        draft_due_letters(self.store, self.letter_context, self.clock(), limit=500)

    def deliver(self) -> int:
        """The hospital takes everything that is due; how many deliveries that were."""
        sent = 0
        while True:
            with self.store.begin_without_publishing() as uow:
                claims = uow.outbox.claim_due(
                    HOSPITAL, now=self.clock(), lease=timedelta(minutes=1), lanes=50, per_lane=500
                )
                for claim in claims:
                    taken = [
                        SentResult(one.seq, 201, 'W/"1"', sha256(one.content).hexdigest(), one.content)
                        for one in claim.deliveries
                    ]
                    uow.outbox.acknowledge(claim, taken, now=self.clock())
                    uow.outbox.release(claim)
                    sent += len(taken)
            if not claims:
                return sent

    def receive_unreadable_bundle(self) -> None:
        """A Bundle arrives that nobody understands."""
        raw = orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": []})
        try:
            receive_referral(self.store, self.publishing, self.letter_harness.practice, raw, self.clock())
        except NotUnderstood:
            return
        raise AssertionError("it was understood")

    def receive_changed_referral(self, name: str) -> None:
        """The practice sends other content under the identifier of a referral we hold."""
        bundle = with_attachments(
            build_referral_bundle(facts(name)), {"reasonCode": [{"text": "Neck pain after a fall"}]}
        )
        try:
            receive_referral(
                self.store,
                self.publishing,
                self.letter_harness.practice,
                orjson.dumps(bundle),
                self.clock(),
            )
        except NotAllowed:
            return
        raise AssertionError("it was taken")

    def _remember(self, name: str, person: PersonId, episode: EpisodeId) -> None:
        self.people[name], self.episodes[name] = person, episode

    # what is kept

    def audit_rows(self) -> list[AuditRow]:
        """Every audit row, oldest first."""
        with self.store.read() as uow:
            return [row for _, row in uow.audit.list_all(limit=10_000)]

    def last_audit_row(self) -> AuditRow:
        """The newest audit row."""
        return self.audit_rows()[-1]

    # browsers

    def browser(self, who: Account | None = None) -> "FormBrowser":
        """A browser of its own, logged in as this account."""
        form_browser = FormBrowser(self.app.test_client(), "https://127.0.0.1")
        if who is not None:
            form_browser.log_in(who.login)
        return form_browser


@dataclass
class FormBrowser:
    """A browser without JavaScript: it keeps cookies and posts the forms' tokens."""

    client: FlaskClient
    base: str

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, base_url=self.base, buffered=True, **more)

    def post(
        self, path: str, data: Mapping[str, Any] | None = None, *, token: str | None = None
    ) -> TestResponse:
        """Posts a form as the page would: with the token that this browser was shown."""
        shown = self.token() if token is None else token
        return self.client.post(path, base_url=self.base, data={**(data or {}), "csrf_token": shown})

    def token(self) -> str:
        """The token of this browser's forms."""
        answer = self.get("/intended-use")
        if answer.status_code != 200:
            answer = self.get("/login")
        return answer.text.partition('name="csrf_token" value="')[2].partition('"')[0]

    def log_in(self, login: str, password: str = PASSWORD) -> TestResponse:
        return self.post("/login", {"login": login, "password": password})


def facts(name: str, case: str = "item9_positive") -> dict[str, Any]:
    """A golden case's facts under another name and other numbers, so that many people may share its answers."""
    given = copy.deepcopy(read_yaml(case, "facts.yaml"))
    number = int(sha256(name.encode()).hexdigest()[:8], 16) % 10**7
    given["person"] |= {"given": name, "family": "Sampleton", "medicare": f"295{number:07d}"}
    given["episode"] |= {"referral_number": f"GP-{number:07d}"}
    return given


def with_attachments(bundle: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The Bundle with a diagnosis and a letter of the GP; `changes` are put into its ServiceRequest."""
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "ServiceRequest":
            entry["resource"] |= {"reasonCode": [{"text": "Low back pain for two years"}], **changes}
    more: list[dict[str, Any]] = [
        {
            "resourceType": "Condition",
            "subject": {"reference": "urn:uuid:0"},
            "code": {
                "coding": [
                    {
                        "system": "http://snomed.info/sct",
                        "code": "278860009",
                        "display": "Chronic low back pain",
                    }
                ]
            },
            "onsetString": "about two years ago",
        },
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "subject": {"reference": "urn:uuid:0"},
            "content": [
                {
                    "attachment": {
                        "contentType": "application/pdf",
                        "title": "Letter of the GP",
                        "data": base64.b64encode(PDF).decode(),
                    }
                }
            ],
        },
    ]
    for position, resource in enumerate(more, start=100):
        add_entry(bundle, resource, f"urn:uuid:{position}")
    return bundle


def add_entry(bundle: dict[str, Any], resource: dict[str, Any], full_url: str) -> None:
    """One more entry of a Bundle."""
    request = {"method": "POST", "url": resource["resourceType"]}
    bundle["entry"].append({"fullUrl": full_url, "resource": resource, "request": request})


def build_clinic_harness(
    store: Store, typesetter: Typesetter, *, public_url: str = "http://127.0.0.1"
) -> ClinicHarness:
    """An empty clinic with two accounts, at ten in the morning."""
    publisher = Publisher([HOSPITAL], zone=clinic().zone)
    letter_context = LetterContext(clinic(), wording(), publisher, typesetter)
    letter_harness = LetterHarness.open(store, publisher, letter_context)
    clock = Clock(moment(TODAY, 10).astimezone(UTC))
    with store.begin_without_publishing() as uow:
        clinician, administrator = (
            uow.accounts.add(
                f"account-{login}",
                login=login,
                name=name,
                role=role,
                registration=registration,
                password_hash=_password_hash(),
                now=clock(),
            )
            for login, name, role, registration in (
                ("ada", "Dr Ada Sample", Role.CLINICIAN, "PSY0009876543"),
                ("sam", "Sam Reader", Role.ADMINISTRATOR, None),
            )
        )
    web_context = WebContext(
        store=store,
        clinic=clinic(),
        sources=load_sources(MAPPINGS / "sources", clinic().programme),
        publisher=publisher,
        letter_context=letter_context,
        audit=AuditWriter(store),
        clock=clock,
        public_url=public_url,
        secret_key=SECRET,
    )
    return ClinicHarness(
        store,
        publisher,
        letter_context,
        web_context,
        create_app(web_context),
        clock,
        clinician,
        administrator,
        letter_harness,
    )


@cache
def _password_hash() -> str:
    return hash_password(PASSWORD)


def fill_every_stage(harness: ClinicHarness) -> ClinicHarness:
    """Somebody at every stage: what the pages must be able to show."""
    harness.refer("Willa")
    harness.refer("Otto")
    harness.finish("Priya", "item9_positive")
    harness.finish("Tobias", "item9_blank")
    harness.finish("Kofi", "never_started")
    harness.finish("Hanna", "not_scorable")
    harness.finish("Sven", "deteriorated")
    harness.enrol_from_export(
        "Nadia", until="start"
    )  # after the golden people, whose house acknowledges what stands open
    harness.enrol_from_export("Felix", until="post")
    harness.receive_changed_referral("Otto")
    harness.receive_unreadable_bundle()
    enrol_lookalike(harness, "Nadia")
    harness.draft()
    harness.deliver()
    return harness


def enrol_lookalike(harness: ClinicHarness, name: str) -> None:
    """An enrolment bears the identifier of somebody known, with another birth date."""
    enrol_again_with(harness, name, birth_date="1991-01-01")


def enrol_again_with(harness: ClinicHarness, name: str, **otherwise: str) -> None:
    """Another enrolment bears the identifier of somebody known, and says something else of the person."""
    other = copy.deepcopy(facts(name))
    other["person"].update(otherwise)
    other["episode"]["referral_number"] = "GP-twin"
    arrival = without_ending(build_enrolment(other, None, True))
    with harness.store.begin() as uow:
        record_enrolments(uow, harness.publishing, [arrival], moment("2026-04-30", 9))


@contextmanager
def serve_app(harness: ClinicHarness) -> Iterator[str]:
    """The day's app on a port of the loopback; its address."""
    server = make_server("127.0.0.1", 0, harness.app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass
