"""Three people whom no two visitors may see alike: each bears a name that gives them away wherever it appears."""

import json
import re
from dataclasses import dataclass
from datetime import date

from msgspec import structs

from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.identifiers import (
    ClientId,
    EpisodeId,
    Identifier,
    InstrumentId,
    LinkId,
    PersonId,
    SourceId,
    TimepointId,
)
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedResponse, RecordingStatus
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.intake.episode.clinician_decisions import accept_referral
from fhir_pmp.intake.response.response_recording import record_responses
from fhir_pmp.pathway.facts import Moment, Sex, Sharing
from fhir_pmp.store.access.clients import ClientKind
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.web.sample_referral import referral_bundle
from tests.integration.web.web_harness import WebHarness, resource

SOURCE = SourceId("redcap-wide")
START = date(2026, 3, 1)


@dataclass(frozen=True)
class Canary:
    """One of them: the name, the person, and every published resource about them, by side."""

    family: str
    person: PersonId
    referral_resources: frozenset[str]  # "Type/id"
    record_resources: frozenset[str]

    @property
    def all_resources(self) -> frozenset[str]:
        """Every published resource about them."""
        return self.referral_resources | self.record_resources

    def is_named_in(self, body: str) -> bool:
        """Whether an answer says anything of them."""
        return self.family in body


def create_canary_people(harness: WebHarness) -> dict[str, Canary]:
    """Aardvark: referred by `practice`, shares. Bumblebee: by `rival`, does not share. Capybara: by nobody, nor shares."""
    harness.client(ClientKind.PRACTICE, "rival", organization=Identifier("urn:practices", "p2"))
    harness.client(ClientKind.PLATFORM, "platform-2", source=SourceId("answers-long"))
    made = {}
    for family, practice, shares in (
        ("Aardvark", "practice", True),
        ("Bumblebee", "rival", False),
        ("Capybara", None, False),
    ):
        number = None if practice is None else _refer(harness, family, practice)
        person, episode = _enrol(harness, family, number, shares)
        _answer(harness, family)
        if practice is not None:
            letter = resource(
                "DocumentReference",
                f"letter-{family.lower()}",
                "nobody",
                status="current",
                description=f"Receipt for {family}",
                subject={"reference": f"Patient/{person}"},
            )
            harness.publish(_owned(letter, person, episode, practice))
        made[family] = _canary(harness, family, person)
    return made


def _refer(harness: WebHarness, family: str, practice: str) -> str:
    body = json.dumps(referral_bundle(family.lower(), family=family, reason=f"Pain of {family}"))
    answer = harness.call(
        practice, "POST", "/fhir", data=body, headers={"Content-Type": "application/fhir+json"}
    )
    assert answer.status_code == 200, answer.data
    with harness.store.begin() as uow:
        known = uow.referrals.find_by_service_request(
            ClientId(practice), Identifier("urn:requests", f"r-{family.lower()}")
        )
        assert known is not None
        accept_referral(
            uow,
            harness.web_context.publishing,
            known.referral.episode,
            by="account:x",
            now=harness.clock(),
        )
    return known.referral.number


def _enrol(harness: WebHarness, family: str, number: str | None, shares: bool) -> tuple[PersonId, EpisodeId]:
    arrival = ArrivedEnrolment(
        source=SOURCE,
        enrolment=f"e-{family}",
        given="Ann",
        family=family,
        birth_date=date(1970, 1, 2),
        sex=Sex.FEMALE,
        identifiers=(Identifier("urn:medicare", f"m-{family.lower()}"),),
        referral_number=number,
        share_with_ehr=shares,
        enrolled_on=START,
        started_on=START,
        lessons=(),
        ended_on=None,
        ended_how=None,
        end_reason=None,
        practice=None,
    )
    with harness.store.begin() as uow:
        (result,) = record_enrolments(uow, harness.web_context.publishing, [arrival], harness.clock())
        assert result.status is not RecordingStatus.REFUSED, result
        episode = uow.episodes.find_by_enrolment(SOURCE, f"e-{family}")
    assert episode is not None
    return episode.person, episode.id


def _answer(harness: WebHarness, family: str) -> None:
    """A PHQ-9 at the start, item 9 among the answers: a flag is raised."""
    instrument = harness.clinic.instruments[InstrumentId("phq9")]
    arrival = ArrivedResponse(
        source=SOURCE,
        enrolments_of=SOURCE,
        enrolment=f"e-{family}",
        response_id=f"response of {family}",
        instrument=instrument.id,
        timepoint=TimepointId("start"),
        authored=Moment("2026-03-02", date(2026, 3, 2), None),
        amends=False,
        answers={LinkId(f"phq9-{n}"): 1 for n in range(1, 10)},
    )
    with harness.store.begin() as uow:
        (result,) = record_responses(uow, harness.web_context.publishing, [arrival], harness.clock())
        assert result.status is not RecordingStatus.REFUSED, result


def _owned(letter: RenderedResource, person: PersonId, episode: EpisodeId, practice: str) -> RenderedResource:
    return structs.replace(
        letter, person=person, episode=episode, owner=ClientId(practice), sharing=Sharing.REFERRAL
    )


def _canary(harness: WebHarness, family: str, person: PersonId) -> Canary:
    with harness.store.read() as uow:
        about = uow.published.of_person(Reader.internal(), person)
    sides = {
        side: frozenset(f"{one.type}/{one.id}" for one in about if one.sharing is side)
        for side in (Sharing.REFERRAL, Sharing.RECORD)
    }
    assert {one.partition("/")[0] for one in sides[Sharing.RECORD]} >= {
        "QuestionnaireResponse",
        "Observation",
        "Flag",
    }
    return Canary(family, person, sides[Sharing.REFERRAL], sides[Sharing.RECORD])


def references_in(body: str) -> frozenset[str]:
    """Every `Type/id` of ours that an answer holds, as a reference, an address or a resource."""
    found = set(re.findall(r"\b([A-Z][A-Za-z]+/[a-z]+-[0-9a-z-]{5,})", body))
    whole = re.findall(r'"resourceType":"([A-Za-z]+)","id":"([^"]+)"', body)
    return frozenset(found | {f"{kind}/{id}" for kind, id in whole})
