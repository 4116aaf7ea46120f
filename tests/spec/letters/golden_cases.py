"""Reads the golden letters: facts as our own types, and what the letter must say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML

from fhir_pmp.identifiers import (
    ClientId,
    Identifier,
    InstrumentId,
    KeyedIds,
    LinkId,
    PersonId,
    ResourceId,
    SourceId,
    TimepointId,
)
from fhir_pmp.instruments.definition import Answers
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.letters.text.letter_content import LetterContent
from fhir_pmp.letters.text.letter_facts import LetterFacts, LetterFields, Signer
from fhir_pmp.letters.text.letter_wording import Wording, load_wording
from fhir_pmp.letters.text.letter_writer import write_letter
from fhir_pmp.pathway.business_ids import BusinessIds
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import (
    Acknowledgement,
    Episode,
    EpisodeState,
    Flag,
    Lesson,
    Moment,
    Person,
    Practice,
    Referral,
    Response,
    ResponseStatus,
    Sex,
)
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.pathway.programme.loading import load_programme
from fhir_pmp.pathway.summary.outcome_summary import Summary, summarise
from fhir_pmp.pathway.summary.safety_lines import flagged_answers

ROOT = Path(__file__).parents[3]
MAPPINGS = ROOT / "mappings"
DATA = ROOT / "tests" / "data" / "letters"
ZONE = ZoneInfo("Australia/Sydney")
SOURCE = SourceId("golden")
MEDICARE = "http://ns.electronichealth.net.au/id/medicare-number"
PRACTICES = "https://example.org/identifiers/practice"
PROVIDER_NUMBERS = "https://example.org/identifiers/provider-number"

CASES = sorted(folder.name for folder in DATA.iterdir() if folder.is_dir())
DISCHARGES = [name for name in CASES if name not in ("receipt", "decline")]


@dataclass(frozen=True)
class GoldenLetter:
    """One golden letter: its facts as the program's types, and what it must say."""

    name: str
    facts: LetterFacts
    responses: tuple[Response, ...]
    flags: tuple[Flag, ...]
    expected: Mapping[str, Any]

    @property
    def summary(self) -> Summary:
        """The discharge letter's summary."""
        assert self.facts.summary is not None
        return self.facts.summary

    def content(self) -> LetterContent:
        """The letter."""
        return write_letter(clinic(), wording(), self.facts)


@lru_cache
def clinic() -> ClinicalContext:
    """The clinic of the shipped mappings."""
    instruments = load_instruments(MAPPINGS / "instruments")
    return ClinicalContext(
        instruments=instruments,
        programme=load_programme(MAPPINGS / "programme.yaml", instruments),
        ids=BusinessIds(KeyedIds(b"a secret that only these tests use"), "https://example.org/fhir"),
        zone=ZONE,
    )


@lru_cache
def wording() -> Wording:
    """The shipped wording."""
    return load_wording(MAPPINGS / "letters" / "wording.yaml", clinic().instruments)


def read_yaml(name: str, file: str) -> dict[str, Any]:
    """One file of a case."""
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(DATA / name / file)
    return loaded


def golden(name: str) -> GoldenLetter:
    """The case as its files have it."""
    return build(name, read_yaml(name, "facts.yaml"), read_yaml(name, "expected.yaml"))


def build(name: str, given: Mapping[str, Any], expected: Mapping[str, Any]) -> GoldenLetter:
    """The case of these facts, which a test may have changed."""
    person, referral = _person(given), _referral(given)
    episode = _episode(given, person, referral)
    responses = tuple(_responses(given, episode))
    flags = tuple(_flags(given, responses))
    now = datetime.combine(date.fromisoformat(given["today"]), time(10), tzinfo=ZONE)
    kind = LetterKind(given["kind"])
    letter = clinic().ids.letter_id(episode.id, kind.value, 1)
    signer = given.get("clinician")
    facts = LetterFacts(
        letter=letter,
        kind=kind,
        person=person,
        episode=episode,
        referral=referral,
        summary=summarise(clinic(), person, episode, responses, flags, now)
        if kind is LetterKind.DISCHARGE
        else None,
        fields=LetterFields(**given.get("draft", {})),
        signer=None if signer is None else Signer("account-1", signer["name"], signer["registration"]),
        dated_on=now.date(),
        made_at=now,
    )
    return GoldenLetter(name, facts, responses, flags, expected)


def _person(given: Mapping[str, Any]) -> Person:
    who = given["person"]
    return Person(
        id=PersonId(clinic().ids.keyed.compute("patient", who["medicare"])),
        given=who["given"],
        family=who["family"],
        birth_date=date.fromisoformat(who["birth_date"]),
        sex=Sex(who["sex"]),
        identifiers=(Identifier(MEDICARE, who["medicare"]),),
        registered_by="client:golden",
    )


def _referral(given: Mapping[str, Any]) -> Referral:
    episode = given["episode"]
    request = Identifier("https://example.org/identifiers/request", episode["referral_number"])
    referral = clinic().ids.referral_id(ClientId("golden"), request)
    authored = episode.get("referral_authored_on")
    received = date.fromisoformat(episode["referred_on"])
    return Referral(
        id=referral,
        number=episode["referral_number"],
        client=ClientId("golden"),
        episode=clinic().ids.referred_episode_id(referral),
        person=PersonId(clinic().ids.keyed.compute("patient", given["person"]["medicare"])),
        service_request_id=clinic().ids.service_request_id(referral),
        task_id=clinic().ids.task_id(referral),
        service_request_identifier=request,
        task_identifier=Identifier("https://example.org/identifiers/task", episode["referral_number"]),
        authored_on=None if authored is None else date.fromisoformat(authored),
        received_at=datetime.combine(received, time(9, 30), tzinfo=ZONE),
        reason=None,
    )


def _episode(given: Mapping[str, Any], person: Person, referral: Referral) -> Episode:
    episode, practice = given["episode"], given["practice"]

    def day(name: str) -> date | None:
        return date.fromisoformat(episode[name]) if name in episode else None

    return Episode(
        id=referral.episode,
        person=person.id,
        state=EpisodeState(episode["state"]),
        referral=referral.id,
        source=SOURCE,
        enrolment=episode["referral_number"],
        share_with_ehr=True,
        doubtful=False,
        referred_on=day("referred_on"),
        enrolled_on=day("enrolled_on"),
        started_on=day("started_on"),
        ended_on=day("ended_on"),
        end_reason=episode.get("end_reason"),
        lessons=tuple(
            Lesson(number, date.fromisoformat(on)) for number, on in enumerate(episode["lessons"], start=1)
        ),
        practice=Practice(
            organization_id=ResourceId("organization-golden"),
            organization_identifier=Identifier(PRACTICES, practice["organization_identifier"]),
            organization_name=practice["organization"],
            practitioner_id=ResourceId("practitioner-golden"),
            practitioner_identifier=Identifier(PROVIDER_NUMBERS, practice["practitioner_identifier"]),
            practitioner_name=practice["practitioner"],
        ),
    )


def _responses(given: Mapping[str, Any], episode: Episode) -> list[Response]:
    responses = []
    for timepoint, forms in given["answers"].items():
        for name, form in forms.items():
            instrument = InstrumentId(name)
            point = TimepointId(timepoint)
            own_id = f"{episode.enrolment}-{name}-{timepoint}"
            response = clinic().ids.response_id(SOURCE, own_id, episode.enrolment or "", instrument, point)
            responses.append(
                Response(
                    id=response,
                    person=episode.person,
                    episode=episode.id,
                    instrument=instrument,
                    instrument_version=clinic().instruments[instrument].version,
                    timepoint=point,
                    authored=Moment(form["on"], date.fromisoformat(form["on"]), None),
                    status=ResponseStatus.COMPLETED,
                    version=1,
                    answers=answers_of(instrument, form),
                    identifier=clinic().ids.response_identifier(SOURCE, own_id, response),
                    source=SOURCE,
                )
            )
    return responses


def answers_of(instrument: InstrumentId, form: Mapping[str, Any]) -> Answers:
    """The answers of a form, in the order in which it is printed; `-` is a blank."""
    items = clinic().instruments[instrument].items
    if "labels" in form:
        by_name = {item.link_id: item for item in items}
        found: dict[str, object] = {}
        for name, label in form["labels"].items():
            item = by_name[LinkId(f"{instrument}-{name}")]
            found[item.link_id] = next(o.value for o in item.options if o.label.lower() == label)
        return clinic().check(instrument, found)
    values = form["values"].split()
    # The PHQ-9's difficulty item is printed below the nine and left out here.
    assert len(values) in (len(items), len(items) - 1)
    given = zip((item.link_id for item in items), values, strict=False)
    return clinic().check(instrument, {link: int(value) for link, value in given if value != "-"})


def _flags(given: Mapping[str, Any], responses: tuple[Response, ...]) -> list[Flag]:
    flags = []
    for response in responses:
        for safety, answer in flagged_answers(clinic().instruments[response.instrument], response):
            done = given["flags"][response.timepoint]
            seen_on = date.fromisoformat(done["acknowledged_on"])
            flags.append(
                Flag(
                    id=clinic().ids.flag_id(response.id, safety.item),
                    person=response.person,
                    episode=response.episode,
                    response=response.id,
                    instrument=response.instrument,
                    timepoint=response.timepoint,
                    item=safety.item,
                    answer=answer,
                    raised_at=datetime.combine(response.authored.on, time(18), tzinfo=ZONE),
                    acknowledgement=Acknowledgement(
                        by=done["by"],
                        at=datetime.combine(seen_on, time(9), tzinfo=ZONE),
                        action=done["action"],
                    ),
                )
            )
    return flags
