"""A small house with a press: golden people come in through the real doors, and their letters are written and signed."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

import orjson

from fhir_pmp.identifiers import (
    ClientId,
    EpisodeId,
    Identifier,
    InstrumentId,
    ResponseId,
    SourceId,
    TimepointId,
)
from fhir_pmp.intake.arrivals import (
    ArrivedEnrolment,
    ArrivedPractice,
    ArrivedResponse,
    Ending,
    RecordingStatus,
)
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.intake.episode.clinician_decisions import accept_referral, acknowledge_flag
from fhir_pmp.intake.referral.referral_receiving import receive_referral
from fhir_pmp.intake.response.response_recording import record_responses
from fhir_pmp.letters.context import LetterContext
from fhir_pmp.letters.lifecycle.drafting import draft_due_letters
from fhir_pmp.letters.lifecycle.signing import preview_letter, sign_letter
from fhir_pmp.pathway.facts import Episode, Moment, Sex
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.publishing.startup import prepare_publishing
from fhir_pmp.store import Store
from fhir_pmp.store.access.accounts import Account, Role
from fhir_pmp.store.access.clients import Client, ClientKind
from fhir_pmp.store.clinical.letters import Letter
from fhir_pmp.store.versions.read_scope import Reader
from tests.spec.letters.golden_cases import (
    MEDICARE,
    PRACTICES,
    PROVIDER_NUMBERS,
    ZONE,
    answers_of,
    clinic,
    read_yaml,
)

SOURCE = SourceId("redcap-wide")


def moment(day: str, hour: int = 10, minute: int = 0) -> datetime:
    """A moment of the clinic's day."""
    return datetime.combine(date.fromisoformat(day), time(hour, minute), tzinfo=ZONE)


@dataclass
class LetterHarness:
    """Everything a letter test needs. `now` is a step of the test, never a clock."""

    store: Store
    publisher: Publisher
    letter_context: LetterContext
    practice: Client
    robin: Account  # a clinician
    admin: Account

    @property
    def publishing(self) -> PublishingContext:
        """The clinic and the publisher, for functions that record and publish."""
        return PublishingContext(clinic(), self.publisher)

    @classmethod
    def open(cls, store: Store, publisher: Publisher, letter_context: LetterContext) -> "LetterHarness":
        opened = moment("2026-02-01")
        prepare_publishing(store, publisher, clinic(), now=opened)
        with store.begin() as uow:
            practice = uow.clients.add(
                ClientId("practice"), name="practice", kind=ClientKind.PRACTICE, token_hash="1", now=opened
            )
            uow.clients.add(
                ClientId("other"), name="other", kind=ClientKind.PRACTICE, token_hash="2", now=opened
            )
            accounts = [
                uow.accounts.add(
                    login,
                    login=login,
                    name=name,
                    role=role,
                    registration=registration,
                    password_hash="x",
                    now=opened,
                )
                for login, name, role, registration in (
                    ("robin", "Dr Robin Example", Role.CLINICIAN, "PSY0001234567"),
                    ("admin", "Sam Admin", Role.ADMINISTRATOR, None),
                )
            ]
        return cls(store, publisher, letter_context, practice, *accounts)

    def refer(self, case: str) -> EpisodeId:
        """The case's person is referred by the practice."""
        given = read_yaml(case, "facts.yaml")
        raw = orjson.dumps(build_referral_bundle(given))
        now = moment(given["episode"]["referred_on"], 9, 30)
        receive_referral(self.store, self.publishing, self.practice, raw, now)
        request = Identifier("https://example.org/identifiers/request", given["episode"]["referral_number"])
        referral = clinic().ids.referral_id(self.practice.id, request)
        with self.store.read() as uow:
            return uow.referrals.get(referral).episode

    def complete(
        self, case: str, *, referred: bool = True, share: bool = True, answers: Any = None
    ) -> EpisodeId:
        """The case's person goes through the programme; flags are acknowledged, the letter is due and not drafted."""
        given = copy.deepcopy(read_yaml(case, "facts.yaml"))
        if answers is not None:
            given["answers"] = answers
        number = None
        if referred:
            episode = self.refer(case)
            with self.store.begin() as uow:
                accept_referral(uow, self.publishing, episode, by="robin", now=moment("2026-02-14"))
            with self.store.read() as uow:
                number = uow.referrals.of_episodes([episode])[episode].number
        now = moment(given["today"], 9)
        arrival = build_enrolment(given, number, share)
        with self.store.begin() as uow:
            results = record_enrolments(uow, self.publishing, [without_ending(arrival)], now)
            results += record_responses(uow, self.publishing, list(build_responses(given)), now)
            results += record_enrolments(uow, self.publishing, [arrival], now)
            assert RecordingStatus.REFUSED not in {result.status for result in results}, results
            found = uow.episodes.find_by_enrolment(SOURCE, arrival.enrolment)
            assert found is not None
            for flag in uow.flags.list_open():
                done = given["flags"][flag.timepoint]
                seen = moment(done["acknowledged_on"])
                acknowledge_flag(
                    uow, self.publishing, flag.id, by=done["by"], action=done["action"], now=seen
                )
        return found.id

    def answer(
        self,
        case: str,
        instrument: str,
        timepoint: str,
        values: str,
        on: str,
        *,
        amends: bool = False,
        now: datetime,
    ) -> ResponseId:
        """One more response of the case's person arrives."""
        given = read_yaml(case, "facts.yaml")
        given["answers"] = {timepoint: {instrument: {"on": on, "values": values}}}
        (arrival,) = build_responses(given, amends=amends)
        with self.store.begin() as uow:
            (result,) = record_responses(uow, self.publishing, [arrival], now)
        assert result.status in (RecordingStatus.ACCEPTED, RecordingStatus.AMENDED), result
        assert result.id is not None
        return ResponseId(result.id)

    def draft(self, episode: EpisodeId, now: datetime, kind: LetterKind = LetterKind.DISCHARGE) -> Letter:
        """What is due is drafted; the episode's newest letter of that kind."""
        draft_due_letters(self.store, self.letter_context, now)
        with self.store.read() as uow:
            return uow.letters.of_episode(episode, kind)[-1]

    def sign(self, letter: Letter, now: datetime) -> Letter:
        """The letter is previewed and signed by the clinician."""
        preview = preview_letter(self.store, self.letter_context, letter.id, self.robin, now)
        return sign_letter(self.store, self.letter_context, letter.id, self.robin, preview.hash, now)

    def signed(self, case: str, **how: Any) -> tuple[EpisodeId, Letter]:
        """The case's person from first to last: the letter signed on the case's day."""
        episode = self.complete(case, **how)
        now = moment(read_yaml(case, "facts.yaml")["today"])
        return episode, self.sign(self.draft(episode, now), now)

    def published(self, kind: str, id: str, reader: Reader | None = None) -> dict[str, Any] | None:
        """A current resource as this reader sees it; the house sees everything."""
        with self.store.read() as uow:
            found = uow.published.find(reader or Reader.internal(), kind, id)
        return None if found is None else orjson.loads(found.content)

    def task_history(self, episode: EpisodeId) -> list[dict[str, Any]]:
        """The Task's versions, oldest first."""
        with self.store.read() as uow:
            task = uow.referrals.of_episodes([episode])[episode].task_id
            versions = uow.published.history(Reader.internal(), "Task", task)
        return [orjson.loads(version.content) for version in reversed(versions)]

    def episode(self, episode: EpisodeId) -> Episode:
        with self.store.read() as uow:
            return uow.episodes.get(episode)

    def open_items(self, kind: str) -> list[Any]:
        with self.store.read() as uow:
            return uow.work_items.list_open(kinds=[kind])


def build_enrolment(given: Mapping[str, Any], number: str | None, share: bool) -> ArrivedEnrolment:
    who, episode, practice = given["person"], given["episode"], given["practice"]

    def day(name: str) -> date | None:
        return date.fromisoformat(episode[name]) if name in episode else None

    return ArrivedEnrolment(
        source=SOURCE,
        enrolment=f"E-{episode['referral_number']}",
        given=who["given"],
        family=who["family"],
        birth_date=date.fromisoformat(who["birth_date"]),
        sex=Sex(who["sex"]),
        identifiers=(Identifier(MEDICARE, who["medicare"]),),
        referral_number=number,
        share_with_ehr=share,
        enrolled_on=day("enrolled_on"),
        started_on=day("started_on"),
        lessons=tuple((n, date.fromisoformat(on)) for n, on in enumerate(episode["lessons"], start=1)),
        ended_on=day("ended_on"),
        ended_how=Ending(episode["state"]),
        end_reason=episode.get("end_reason"),
        practice=ArrivedPractice(
            identifier=Identifier(PRACTICES, practice["organization_identifier"]),
            name=practice["organization"],
            practitioner_identifier=Identifier(PROVIDER_NUMBERS, practice["practitioner_identifier"]),
            practitioner_name=practice["practitioner"],
        )
        if practice
        else None,
    )


def without_ending(arrival: ArrivedEnrolment) -> ArrivedEnrolment:
    return replace(arrival, ended_on=None, ended_how=None, end_reason=None)


def build_responses(given: Mapping[str, Any], *, amends: bool = False) -> Iterator[ArrivedResponse]:
    for timepoint, forms in given["answers"].items():
        for name, form in forms.items():
            yield ArrivedResponse(
                source=SOURCE,
                enrolments_of=SOURCE,
                enrolment=f"E-{given['episode']['referral_number']}",
                response_id=None,
                instrument=InstrumentId(name),
                timepoint=TimepointId(timepoint),
                authored=Moment(form["on"], date.fromisoformat(form["on"]), None),
                amends=amends,
                answers={str(link): value for link, value in answers_of(InstrumentId(name), form).items()},
            )


def build_referral_bundle(given: Mapping[str, Any]) -> dict[str, Any]:
    """The practice's transaction Bundle: Patient, ServiceRequest, Task, and who asks."""
    who, episode, practice = given["person"], given["episode"], given["practice"]
    number = episode["referral_number"]
    resources = [
        {
            "resourceType": "Patient",
            "identifier": [{"system": MEDICARE, "value": who["medicare"]}],
            "name": [{"family": who["family"], "given": [who["given"]]}],
            "gender": who["sex"],
            "birthDate": who["birth_date"],
        },
        {
            "resourceType": "Organization",
            "identifier": [{"system": PRACTICES, "value": practice["organization_identifier"]}],
            "name": practice["organization"],
        },
        {
            "resourceType": "Practitioner",
            "identifier": [{"system": PROVIDER_NUMBERS, "value": practice["practitioner_identifier"]}],
            "name": [{"text": practice["practitioner"]}],
        },
        {
            "resourceType": "PractitionerRole",
            "practitioner": {"reference": "urn:uuid:2"},
            "organization": {"reference": "urn:uuid:1"},
        },
        {
            "resourceType": "ServiceRequest",
            "identifier": [{"system": "https://example.org/identifiers/request", "value": number}],
            "status": "active",
            "intent": "order",
            "code": {"text": "Pain management programme"},
            "subject": {"reference": "urn:uuid:0"},
            "authoredOn": episode.get("referral_authored_on", episode["referred_on"]),
            "requester": {"reference": "urn:uuid:3"},
        },
        {
            "resourceType": "Task",
            "identifier": [{"system": "https://example.org/identifiers/task", "value": number}],
            "status": "requested",
            "intent": "order",
            "focus": {"reference": "urn:uuid:4"},
            "for": {"reference": "urn:uuid:0"},
        },
    ]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{position}",
                "resource": resource,
                "request": {"method": "POST", "url": resource["resourceType"]},
            }
            for position, resource in enumerate(resources)
        ],
    }
