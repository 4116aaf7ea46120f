"""Small, valid FHIR resources of people told apart by a number, published as facts of the house."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, render
from fhir_pmp.identifiers import DestinationId, EpisodeId, Identifier, PersonId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store
from tests.integration.store.sample_records import episode as episode_of
from tests.integration.store.sample_records import person as person_of

NOW = datetime(2026, 4, 5, 2, 59, 59, tzinfo=UTC)
HOSPITAL = DestinationId("hospital")
MEDICARE = "http://ns.electronichealth.net.au/id/medicare-number"
SCORES = "urn:test:score"


def publisher_for(*destinations: DestinationId) -> Publisher:
    """Publishes for these destinations."""
    return Publisher(destinations or (HOSPITAL,), zone=ZoneInfo("Australia/Sydney"))


def identifier(kind: str, value: str) -> dict[str, str]:
    """A business identifier of ours."""
    return {"system": f"urn:test:{kind}", "value": value}


def organization(name: str = "Pain programme") -> RenderedResource:
    """Somebody everybody refers to; it travels before the people."""
    resource = {
        "resourceType": "Organization",
        "id": "organization-1",
        "identifier": [identifier("organization", "1")],
        "name": name,
    }
    return render(resource, sharing=Sharing.DEFINITION)


def practitioner(**more: Any) -> RenderedResource:
    """Somebody who writes about several people."""
    resource = {
        "resourceType": "Practitioner",
        "id": "practitioner-1",
        "identifier": [identifier("practitioner", "1")],
        **more,
    }
    return render(resource, sharing=Sharing.DEFINITION)


def patient(n: int, **more: Any) -> RenderedResource:
    """Person `n`."""
    resource = {
        "resourceType": "Patient",
        "id": f"patient-{n}",
        "identifier": [{"system": MEDICARE, "value": f"m{n}"}],
        "name": [{"family": f"Example {n}", "given": ["Ann"]}],
        "birthDate": "1970-01-02",
        "managingOrganization": {"reference": "Organization/organization-1"},
        **more,
    }
    return render(resource, sharing=Sharing.RECORD, person=PersonId(f"patient-{n}"))


def questionnaire_response(n: int, k: int, **more: Any) -> RenderedResource:
    """Response `k` of person `n`."""
    resource = {
        "resourceType": "QuestionnaireResponse",
        "id": f"response-{n}-{k}",
        "identifier": identifier("response", f"{n}-{k}"),
        "questionnaire": "https://example.org/Questionnaire/peg|1",
        "status": "completed",
        "subject": {"reference": f"Patient/patient-{n}", "display": "the person"},
        "authored": "2026-01-05",
        **more,
    }
    return _record(n, resource)


def score(n: int, k: int, value: str = "7.10", **more: Any) -> RenderedResource:
    """The score of that response."""
    resource = {
        "resourceType": "Observation",
        "id": f"score-{n}-{k}",
        "identifier": [{"system": SCORES, "value": f"{n}-{k}"}],
        "status": "final",
        "code": {"coding": [{"system": "urn:test:code", "code": "a-score"}]},
        "subject": {"reference": f"Patient/patient-{n}"},
        "effectiveDateTime": "2026-01-05",
        "valueQuantity": {"value": Decimal(value), "unit": "{score}"},
        "derivedFrom": [{"reference": f"QuestionnaireResponse/response-{n}-{k}"}],
        **more,
    }
    return _record(n, resource)


def document(n: int) -> RenderedResource:
    """A letter of person `n` as a document, which holds what it refers to."""
    subject = {"reference": f"Patient/patient-{n}"}
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "letter"},
        "subject": subject,
        "date": "2026-01-05",
        "author": [{"reference": "Organization/organization-1"}],
        "title": "A letter",
    }
    entry = {"fullUrl": "urn:uuid:8f5c1c6e-6d7d-4c6a-9d5e-0a2f7f1c0a11", "resource": composition}
    resource = {
        "resourceType": "Bundle",
        "id": f"document-{n}",
        "identifier": identifier("document", str(n)),
        "type": "document",
        "timestamp": "2026-01-05T10:11:12+11:00",
        "entry": [entry],
    }
    return _record(n, resource)


def everything_about(n: int, each: int = 3) -> list[RenderedResource]:
    """Person `n` with `each` responses and their scores, dependants first on purpose."""
    found = [document(n)]
    for k in range(1, each + 1):
        found += [score(n, k), questionnaire_response(n, k)]
    return [*found, patient(n)]


def add_people(store: Store, people: Sequence[int], *, share: bool = True) -> None:
    """Keeps people with an episode each, without publishing."""
    with store.begin() as uow:
        for n in people:
            uow.people.add(person_of(n, Identifier(MEDICARE, f"m{n}")), now=NOW)
            uow.episodes.add(episode_of(n, share=share), event="enrol", by="test", now=NOW)


def publish(
    store: Store, resources: Sequence[RenderedResource], *destinations: DestinationId, now: datetime = NOW
) -> None:
    """Publishes in one transaction."""
    with store.begin() as uow:
        publisher_for(*destinations).publish(uow, resources, now=now)


def publish_people(
    store: Store,
    people: int,
    each: int = 3,
    now: datetime = NOW,
    first: int = 1,
    to: DestinationId = HOSPITAL,
) -> None:
    """The organization, and `people` people with everything about them, numbered from `first`."""
    numbers = range(first, first + people)
    add_people(store, numbers)
    publish(store, [organization()], to, now=now)
    for n in numbers:
        publish(store, everything_about(n, each), to, now=now)


def _record(n: int, resource: dict[str, Any]) -> RenderedResource:
    return render(
        resource, sharing=Sharing.RECORD, person=PersonId(f"patient-{n}"), episode=EpisodeId(f"episode-{n}")
    )
