"""Three people whom no two visitors may see alike: each bears a name that gives them away wherever it appears."""

import json
import re
from dataclasses import dataclass
from datetime import date

from msgspec import structs

from fhir_pmp.fhir.rendered import Rendered
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
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedResponse, Fate
from fhir_pmp.intake.decisions import accept_referral
from fhir_pmp.intake.enrolments import record_enrolments
from fhir_pmp.intake.responses import record_responses
from fhir_pmp.pathway.facts import Moment, Sex, Sharing
from fhir_pmp.store.clients import ClientKind
from fhir_pmp.store.readers import Reader
from tests.integration.web.house import House, resource
from tests.integration.web.referral import referral_bundle

SOURCE = SourceId("redcap-wide")
START = date(2026, 3, 1)


@dataclass(frozen=True)
class Canary:
    """One of them: the name, the person, and every published resource about them, by side."""

    family: str
    person: PersonId
    referral_side: frozenset[str]  # "Type/id"
    record_side: frozenset[str]

    @property
    def everything(self) -> frozenset[str]:
        """Every published resource about them."""
        return self.referral_side | self.record_side

    def is_named_in(self, body: str) -> bool:
        """Whether an answer says anything of them."""
        return self.family in body


def make_people(house: House) -> dict[str, Canary]:
    """Aardvark: referred by `practice`, shares. Bumblebee: by `rival`, does not share. Capybara: by nobody, nor shares."""
    house.client(ClientKind.PRACTICE, "rival", organization=Identifier("urn:practices", "p2"))
    house.client(ClientKind.PLATFORM, "platform-2", source=SourceId("answers-long"))
    made = {}
    for family, practice, shares in (
        ("Aardvark", "practice", True),
        ("Bumblebee", "rival", False),
        ("Capybara", None, False),
    ):
        number = None if practice is None else _refer(house, family, practice)
        person, episode = _enrol(house, family, number, shares)
        _answer(house, family)
        if practice is not None:
            letter = resource(
                "DocumentReference",
                f"letter-{family.lower()}",
                "nobody",
                status="current",
                description=f"Receipt for {family}",
                subject={"reference": f"Patient/{person}"},
            )
            house.publish(_owned(letter, person, episode, practice))
        made[family] = _canary(house, family, person)
    return made


def _refer(house: House, family: str, practice: str) -> str:
    body = json.dumps(referral_bundle(family.lower(), family=family, reason=f"Pain of {family}"))
    answer = house.call(
        practice, "POST", "/fhir", data=body, headers={"Content-Type": "application/fhir+json"}
    )
    assert answer.status_code == 200, answer.data
    with house.store.begin() as books:
        known = books.referrals.find_by_service_request(
            ClientId(practice), Identifier("urn:requests", f"r-{family.lower()}")
        )
        assert known is not None
        accept_referral(
            books, house.clinic, house.publisher, known.referral.episode, by="account:x", now=house.clock()
        )
    return known.referral.number


def _enrol(house: House, family: str, number: str | None, shares: bool) -> tuple[PersonId, EpisodeId]:
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
    with house.store.begin() as books:
        (receipt,) = record_enrolments(books, house.clinic, house.publisher, [arrival], house.clock())
        assert receipt.fate is not Fate.REFUSED, receipt
        episode = books.episodes.find_by_enrolment(SOURCE, f"e-{family}")
    assert episode is not None
    return episode.person, episode.id


def _answer(house: House, family: str) -> None:
    """A PHQ-9 at the start, item 9 among the answers: a flag is raised."""
    instrument = house.clinic.instruments[InstrumentId("phq9")]
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
    with house.store.begin() as books:
        (receipt,) = record_responses(books, house.clinic, house.publisher, [arrival], house.clock())
        assert receipt.fate is not Fate.REFUSED, receipt


def _owned(letter: Rendered, person: PersonId, episode: EpisodeId, practice: str) -> Rendered:
    return structs.replace(
        letter, person=person, episode=episode, owner=ClientId(practice), sharing=Sharing.REFERRAL
    )


def _canary(house: House, family: str, person: PersonId) -> Canary:
    with house.store.read() as books:
        about = books.published.of_person(Reader.house(), person)
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
