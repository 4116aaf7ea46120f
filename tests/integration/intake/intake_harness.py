"""What an intake test works with: arrivals, files handed in, and what is recorded and published after them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from demo.people.exports import LONG_COLUMNS, WIDE_COLUMNS
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.identifiers import (
    ClientId,
    EpisodeId,
    Identifier,
    InstrumentId,
    ResponseId,
    SourceId,
    TimepointId,
)
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedResponse, RecordingResult
from fhir_pmp.intake.csv_import.cells import read_moment
from fhir_pmp.intake.csv_import.file_import import FileImport, ImportReport, RowRefusal
from fhir_pmp.intake.csv_import.sources import Source
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.intake.episode.clinician_decisions import accept_referral
from fhir_pmp.intake.referral.referral_receiving import ReferralAnswer, receive_referral
from fhir_pmp.intake.response.response_recording import record_responses
from fhir_pmp.intake.response.response_withdrawal import withdraw_response
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Episode, Person, Referral, Sex
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import Store
from fhir_pmp.store.access.clients import Client, ClientKind
from fhir_pmp.store.clinical.work_items import WorkItem
from fhir_pmp.store.delivery.deliveries import DeliveryState
from fhir_pmp.store.tables.published import published
from tests.integration.web.sample_referral import referral_bundle

NOW = datetime(2026, 11, 20, 3, 4, 5, tzinfo=UTC)
SOURCE = SourceId("redcap-wide")
LONG = SourceId("answers-long")
STARTED = date(2026, 3, 2)
BORN = date(1970, 1, 2)
MEDICARE = "http://ns.electronichealth.net.au/id/medicare-number"
DAYS = {"screening": -10, "start": 0, "post": 56, "follow_up": 147}
"""A day of each timepoint's window, counted from the start."""


def day_of(timepoint: str, *, started: date = STARTED) -> str:
    """A day in the timepoint's window, as a file writes it."""
    return (started + timedelta(days=DAYS[timepoint])).isoformat()


def enrolment(name: str = "e1", **fields: Any) -> ArrivedEnrolment:
    """Somebody who started on STARTED, shares, and was referred by nobody."""
    default = ArrivedEnrolment(
        source=SOURCE,
        enrolment=name,
        given="Ann",
        family="Example",
        birth_date=BORN,
        sex=Sex.FEMALE,
        identifiers=(Identifier(MEDICARE, f"m-{name}"),),
        referral_number=None,
        share_with_ehr=True,
        enrolled_on=STARTED - timedelta(days=5),
        started_on=STARTED,
        lessons=(),
        ended_on=None,
        ended_how=None,
        end_reason=None,
        practice=None,
    )
    return replace(default, **fields)


def response(
    instrument: str,
    timepoint: str,
    answers: Mapping[str, object],
    *,
    enrolment: str = "e1",
    on: str | None = None,
    own_id: str | None = None,
    amends: bool = False,
    source: SourceId = SOURCE,
) -> ArrivedResponse:
    """Answers by the end of their linkId: {"1": 2} is phq9-1 = 2."""
    moment = read_moment(on or day_of(timepoint))
    assert moment is not None
    return ArrivedResponse(
        source=source,
        enrolments_of=SOURCE,
        enrolment=enrolment,
        response_id=own_id,
        instrument=InstrumentId(instrument),
        timepoint=TimepointId(timepoint),
        authored=moment,
        amends=amends,
        answers={f"{instrument}-{item}": value for item, value in answers.items()},
    )


def phq9(timepoint: str, *values: int, **more: Any) -> ArrivedResponse:
    """A PHQ-9: the nine items in order; the item on difficulty is 0."""
    return response("phq9", timepoint, {**_numbered(values), "difficulty": 0}, **more)


def gad7(timepoint: str, *values: int, **more: Any) -> ArrivedResponse:
    """A GAD-7."""
    return response("gad7", timepoint, _numbered(values), **more)


def _numbered(values: Iterable[int]) -> dict[str, object]:
    return {str(n): value for n, value in enumerate(values, start=1)}


@dataclass
class ImportResult:
    """What an import came to."""

    report: ImportReport
    refusals: list[RowRefusal]
    refused: Path

    @property
    def refusal_lines(self) -> list[tuple[int, str, str]]:
        """Line, column and reason of each refusal."""
        return [(one.line, one.column, one.reason) for one in self.refusals]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Responses accepted, repeated, amended, refused."""
        accepted, repeated, amended, refused = self.report.responses.values()
        return accepted, repeated, amended, refused


@dataclass
class IntakeHarness:
    """One clinic over one store."""

    store: Store
    clinic: ClinicalContext
    publisher: Publisher
    sources: Mapping[SourceId, Source]
    folder: Path
    now: datetime = NOW
    practice: Client = field(init=False)

    @property
    def publishing(self) -> PublishingContext:
        """The clinic and the publisher, for functions that record and publish."""
        return PublishingContext(self.clinic, self.publisher)

    def __post_init__(self) -> None:
        with self.store.begin() as uow:
            self.practice = uow.clients.add(
                ClientId("practice-1"),
                name="practice",
                kind=ClientKind.PRACTICE,
                token_hash="hash",
                now=NOW,
                organization=Identifier("urn:practices", "p1"),
            )

    # what arrives

    def enrol(self, *arrivals: ArrivedEnrolment) -> list[RecordingResult]:
        """One transaction of enrolments."""
        with self.store.begin() as uow:
            return record_enrolments(uow, self.publishing, arrivals or (enrolment(),), self._tick())

    def respond(self, *arrivals: ArrivedResponse) -> list[RecordingResult]:
        """One transaction of responses."""
        with self.store.begin() as uow:
            return record_responses(uow, self.publishing, arrivals, self._tick())

    def withdraw(self, response: str, reason: str = "entered for the wrong person") -> RecordingResult:
        """A response is withdrawn."""
        with self.store.begin() as uow:
            return withdraw_response(
                uow,
                self.publishing,
                ResponseId(response),
                reason=reason,
                by="test",
                now=self._tick(),
            )

    def import_file(
        self, file: str | bytes, source: SourceId = SOURCE, *, name: str = "export"
    ) -> ImportResult:
        """A file is handed in."""
        refusals: list[RowRefusal] = []
        raw = file.encode() if isinstance(file, str) else file
        refused = self.folder / f"{name}.refused.csv"
        file_import = FileImport(
            store=self.store,
            context=self.publishing,
            source=self.sources[source],
            clock=self._tick,
            on_refusal=refusals.append,
            on_progress=lambda position: None,
        )
        return ImportResult(file_import.run(io.BytesIO(raw), refused), refusals, refused)

    def refer(self, name: str = "1", **changes: Any) -> ReferralAnswer:
        """The practice refers somebody whose identifiers bear this name."""
        return self.receive(referral_bundle(name, **changes))

    def receive(self, bundle: Mapping[str, Any]) -> ReferralAnswer:
        """The practice sends a Bundle."""
        raw = write_canonical(bundle)
        return receive_referral(self.store, self.publishing, self.practice, raw, self._tick())

    def accept(self, referral: Referral) -> Episode:
        """A clinician accepts."""
        with self.store.begin() as uow:
            return accept_referral(uow, self.publishing, referral.episode, by="account:ada", now=self._tick())

    # what is recorded

    def referral(self, name: str = "1") -> Referral:
        """The referral of that name."""
        with self.store.read() as uow:
            known = uow.referrals.find_by_service_request(
                self.practice.id, Identifier("urn:requests", f"r-{name}")
            )
        assert known is not None
        return known.referral

    def episode(self, name: str = "e1") -> Episode:
        """The episode of an enrolment."""
        with self.store.read() as uow:
            found = uow.episodes.find_by_enrolment(SOURCE, name)
        assert found is not None
        return found

    def episode_of(self, referral: Referral) -> Episode:
        """The episode of a referral."""
        with self.store.read() as uow:
            return uow.episodes.get(referral.episode)

    def person(self, of: Episode) -> Person:
        """Whose episode it is."""
        with self.store.read() as uow:
            return uow.people.get(of.person)

    def open_work_items(self, kind: str | None = None) -> list[WorkItem]:
        """What stands on the worklist."""
        with self.store.read() as uow:
            return uow.work_items.list_open(kinds=None if kind is None else [kind])

    def letters_due(self) -> list[tuple[EpisodeId, str]]:
        """Which letters are due."""
        with self.store.read() as uow:
            return [(due.episode, due.kind.value) for due in uow.letters_due.list_all()]

    # what is published

    def published(self, *types: str) -> dict[str, dict[str, Any]]:
        """The current resources of these types about anybody, by reference; all types, if none is named."""
        query = sa.select(published).where(
            published.c.superseded_at.is_(None), published.c.person.is_not(None)
        )
        with self.store.read() as uow:
            rows = uow._connection.execute(query.order_by(published.c.seq)).all()
        return {
            f"{row.type}/{row.id}": read_fhir_json(row.content, max_bytes=len(row.content))
            for row in rows
            if not types or row.type in types
        }

    def versions(self, *types: str) -> dict[str, int]:
        """Which version each of them has."""
        return {ref: int(one["meta"]["versionId"]) for ref, one in self.published(*types).items()}

    def changed_since(self, before: Mapping[str, int]) -> set[str]:
        """What has another version than before, or is new."""
        return {ref for ref, version in self.versions().items() if before.get(ref) != version}

    def queued(self) -> list[str]:
        """What waits to be sent, as Type/id."""
        with self.store.read() as uow:
            found = uow.deliveries.list_all(states=[DeliveryState.PENDING], limit=1000)
        return [delivery.reference for delivery in found]

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


# files


def wide_row(
    record: str = "PMP-1", event: str = "start_arm_1", forms: Mapping[str, str] | None = None, **cells: str
) -> dict[str, str]:
    """One row of the wide export. `forms`: instrument -> its answers, one character each, "-" for a blank."""
    row = dict.fromkeys(WIDE_COLUMNS, "")
    row |= {
        "record_id": record,
        "redcap_event_name": event,
        "given_name": "Ann",
        "family_name": f"Example {record}",
        "birth_date": "1970-01-02",
        "sex": "female",
        "medicare_number": f"m-{record}",
        "share_with_ehr": "1",
        "enrolled_on": "2026-02-25",
        "started_on": STARTED.isoformat(),
    }
    timepoint = {"screening_arm_1": "screening", "post_arm_1": "post", "followup_arm_1": "follow_up"}
    for instrument, answers in (forms or {}).items():
        columns = [c for c in WIDE_COLUMNS if c.startswith(f"{instrument}_")]
        row[columns[0]] = day_of(timepoint.get(event, "start"))
        row |= {
            column: "" if text == "-" else text for column, text in zip(columns[2:], answers, strict=True)
        }
    return row | cells


def wide_csv(*rows: Mapping[str, str]) -> str:
    """The wide export."""
    return _written(WIDE_COLUMNS, rows)


def long_rows(
    response_id: str,
    instrument: str = "gad7",
    answers: str = "0000000",
    *,
    record: str = "PMP-1",
    timepoint: str = "start",
    at: str | None = None,
    amends: str = "",
) -> list[dict[str, str]]:
    """The rows of one response; items are numbered."""
    return [
        {
            "record_id": record,
            "response_id": response_id,
            "timepoint": timepoint,
            "instrument": instrument,
            "answered_at": at or f"{day_of(timepoint)}T10:11:12+11:00",
            "amends": amends,
            "item": f"{instrument}-{n}",
            "value": "" if text == "-" else text,
        }
        for n, text in enumerate(answers, start=1)
    ]


def long_csv(*rows: Mapping[str, str]) -> str:
    """The long export."""
    return _written(LONG_COLUMNS, rows)


def _written(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
