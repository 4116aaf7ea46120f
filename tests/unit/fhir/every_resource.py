"""One of each: every kind of resource that we publish, in every state that exists."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from fhir_pmp.fhir.administration.episode_of_care import build_episode_of_care
from fhir_pmp.fhir.administration.organization import build_practice
from fhir_pmp.fhir.administration.patient import build_patient
from fhir_pmp.fhir.administration.practitioner import (
    build_practice_practitioner,
    build_practitioner,
    build_practitioner_role,
)
from fhir_pmp.fhir.definitions import build_definitions
from fhir_pmp.fhir.documents.document_bundle import build_document_bundle
from fhir_pmp.fhir.documents.document_reference import build_document_reference
from fhir_pmp.fhir.documents.letter_document import LetterDocument, LetterSection
from fhir_pmp.fhir.elements.narrative import BulletList, Paragraph, Table
from fhir_pmp.fhir.measurement.change_observation import build_change_observation
from fhir_pmp.fhir.measurement.flag import build_flag
from fhir_pmp.fhir.measurement.observation import mark_entered_in_error
from fhir_pmp.fhir.referral.relay import relay
from fhir_pmp.fhir.referral.task import build_task
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.fhir.terminology.systems import LOINC
from fhir_pmp.identifiers import Identifier
from fhir_pmp.instruments.definition import Coding
from fhir_pmp.pathway.episode_states import TaskStatus
from fhir_pmp.pathway.facts import EpisodeState, Moment, Response, ResponseStatus, Sharing
from fhir_pmp.pathway.scale_changes import ScaleChange, ScoredResponse, scale_changes
from tests.unit.fhir.examples import (
    ACKNOWLEDGED,
    CLIENT,
    CLINIC,
    EPISODE,
    EPISODE_FACTS,
    FLAG_FACTS,
    INSTRUMENTS,
    PERSON,
    PERSON_FACTS,
    POSITIVE,
    PRACTICE,
    REFERRAL_FACTS,
    REFERRED_EPISODE,
    START,
    build_all,
    make_response,
)

AT_START = Moment("2026-01-04", date(2026, 1, 4), None)
SIGNER = CLINIC.ids.signer_id("dr.signer")
SIGNED_AT = datetime(2026, 3, 5, 3, 4, 5, tzinfo=UTC)

SERVICE_REQUEST: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "meta": {"versionId": "7", "security": [{"system": "http://example.org/labels", "code": "restricted"}]},
    "identifier": [{"system": "https://gp.example/requests", "value": "R1"}],
    "status": "active",
    "intent": "order",
    "subject": {"reference": f"Patient/{PERSON}"},
    "authoredOn": "2025-12-01",
    "reasonCode": [{"text": "Chronic pain"}],
}
TASK: dict[str, Any] = {
    "resourceType": "Task",
    "identifier": [{"system": "https://gp.example/tasks", "value": "T1"}],
    "status": "requested",
    "intent": "order",
    "focus": {"reference": f"ServiceRequest/{REFERRAL_FACTS.service_request_id}"},
    "for": {"reference": f"Patient/{PERSON}"},
    "authoredOn": "2025-12-01T09:00:00+11:00",
    "lastModified": "2025-12-01T09:00:00+11:00",
}


def responses() -> Iterator[tuple[str, Response]]:
    """Every instrument x status x (complete, one blank, nearly empty), each under a name."""
    for instrument in INSTRUMENTS.values():
        items = [str(item.link_id) for item in instrument.items]
        complete = {str(item.link_id): max(item.offered) for item in instrument.items}
        kinds = {
            "complete": complete,
            "one blank": {name: value for name, value in complete.items() if name != items[0]},
            "nearly empty": {items[-1]: complete[items[-1]]},
        }
        for kind, answers in kinds.items():
            for status in ResponseStatus:
                yield (
                    f"{instrument.id}, {kind}, {status.value}",
                    make_response(
                        instrument.id, answers, status=status, key=f"{instrument.id} {kind} {status.value}"
                    ),
                )


def changes(before_value: int = 3, after_value: int = 1) -> list[ScaleChange]:
    """The changes of every instrument from all answers of one rank to all answers of another."""
    scored = []
    for instrument in INSTRUMENTS.values():
        ranks = {str(item.link_id): sorted(item.offered) for item in instrument.items}
        for timepoint, authored, rank in ((START, AT_START, before_value), (None, None, after_value)):
            answers = {item: offered[min(rank, len(offered) - 1)] for item, offered in ranks.items()}
            response = make_response(instrument.id, answers, key=f"{instrument.id} {rank}")
            if timepoint is not None and authored is not None:
                response = msgspec.structs.replace(response, timepoint=timepoint, authored=authored)
            scored.append(ScoredResponse(response, CLINIC.score(instrument.id, response.answers)))
    return scale_changes(CLINIC, EPISODE_FACTS, scored)


def letter() -> LetterDocument:
    """A discharge letter with one of each kind of block."""
    score = build_all(POSITIVE)[1]
    return LetterDocument(
        id=CLINIC.ids.letter_id(EPISODE, "discharge", 2),
        person=PERSON,
        episode=EPISODE,
        sharing=Sharing.RECORD,
        owner=CLIENT,
        title="Outcome letter",
        type=Coding(LOINC, "34133-9", "Summary of episode note"),
        issued_at=SIGNED_AT,
        author=f"Practitioner/{SIGNER}",
        signed=True,
        sections=(
            LetterSection(
                "Results",
                Coding(LOINC, "30954-2"),
                (
                    Paragraph("Of 1 measure: <none> & all"),
                    Table(("Measure", "Post"), (("PHQ-9", "10"),), "Results"),
                ),
                (score.reference,),
            ),
            LetterSection("Plan", Coding(LOINC, "18776-5"), (BulletList(("Review in 4 weeks",)),)),
        ),
        request=REFERRAL_FACTS.service_request_id,
        replaces=CLINIC.ids.letter_id(EPISODE, "discharge", 1),
    )


def people() -> dict[str, RenderedResource]:
    """Patient, EpisodeOfCare, practices and practitioners."""
    found = {
        "patient": build_patient(CLINIC, PERSON_FACTS, sharing=Sharing.RECORD),
        "signer": build_practitioner(SIGNER, "Dr Signer", Identifier("https://ahpra.example", "PSY1")),
        "role": build_practitioner_role(CLINIC, SIGNER, CLINIC.provider_id(), role="Clinical psychologist"),
        "practice": build_practice(PRACTICE, sharing=Sharing.DEFINITION),
        "referred episode": build_episode_of_care(CLINIC, REFERRED_EPISODE),
    }
    for at, one in enumerate(build_practice_practitioner(CLINIC, PRACTICE, sharing=Sharing.DEFINITION)):
        found[f"practice's practitioner {at}"] = one
    for state in EpisodeState:
        ended = date(2026, 3, 3) if state in (EpisodeState.FINISHED, EpisodeState.STOPPED) else None
        episode = replace(EPISODE_FACTS, state=state, ended_on=ended)
        found[f"episode {state.value}"] = build_episode_of_care(CLINIC, episode)
    return found


def referral() -> dict[str, RenderedResource]:
    """The ServiceRequest, and the Task in every state."""
    request = REFERRAL_FACTS.service_request_id
    found = {"request": relay(SERVICE_REQUEST, request, person=PERSON, episode=EPISODE, owner=CLIENT)}
    for status in TaskStatus:
        found[f"task {status.value}"] = build_task(
            CLINIC,
            REFERRAL_FACTS,
            TASK,
            status=status,
            reason="Outside our region" if status in (TaskStatus.REJECTED, TaskStatus.FAILED) else None,
            outputs=(CLINIC.ids.document_reference_id(letter().id),)
            if status is TaskStatus.COMPLETED
            else (),
            modified="2026-03-05T14:04:05+11:00",
        )
    return found


def letters() -> dict[str, RenderedResource]:
    """The document Bundle and the DocumentReference, current and superseded."""
    known = {
        one.reference: one for one in [*build_definitions(CLINIC), *people().values(), *referral().values()]
    }
    known |= {one.reference: one for one in build_all(POSITIVE)}
    bundle = build_document_bundle(
        CLINIC, letter(), lambda name: known[name].content if name in known else None
    )
    return {
        "bundle": bundle,
        "document": build_document_reference(CLINIC, letter(), b"%PDF-1.7 ..."),
        "superseded document": build_document_reference(CLINIC, letter(), b"%PDF-1.7 ...", superseded=True),
    }


def every_resource() -> dict[str, RenderedResource]:
    """All of them, each under a name."""
    found = {f"definition {one.reference}": one for one in build_definitions(CLINIC)}
    found |= people() | referral() | letters()
    found |= {"flag": build_flag(CLINIC, FLAG_FACTS), "acknowledged flag": build_flag(CLINIC, ACKNOWLEDGED)}
    for name, response in responses():
        found |= {f"{name}: {one.reference}": one for one in build_all(response)}
    for before, after in ((3, 1), (1, 3), (2, 2), (0, 2)):
        for change in changes(before, after):
            for amended in (False, True):
                built = build_change_observation(CLINIC, change, amended=amended)
                if built is not None:
                    found[f"change {before} to {after} {built.reference} {amended}"] = built
    score = build_all(POSITIVE)[1]
    found["retracted"] = mark_entered_in_error(_content(score), person=PERSON, episode=EPISODE)
    return found


def _content(rendered: RenderedResource) -> dict[str, Any]:
    return read_fhir_json(rendered.content, max_bytes=10**6)
