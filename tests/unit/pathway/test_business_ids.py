"""Every business key gives one id: the same key the same id, any other part another id."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from fhir_pmp.identifiers import (
    ClientId,
    EpisodeId,
    Identifier,
    InstrumentId,
    KeyedIds,
    LetterId,
    LinkId,
    ReferralId,
    ResourceId,
    ResponseId,
    ScaleId,
    SourceId,
    TimepointId,
)
from fhir_pmp.pathway.business_ids import BusinessIds, IdKind
from tests.unit.pathway.examples import AT_START, CLINIC, MOOD, TOTAL

IDS = CLINIC.ids
WIDE = SourceId("wide")
REQUEST = Identifier("https://gp.example/requests", "1")
# What each id is made of: one call for each, its key in plain sight.
CALLS: dict[str, Callable[[BusinessIds], str]] = {
    "person of a source": lambda c: c.person_id(WIDE, "7"),
    "person of another source": lambda c: c.person_id(SourceId("long"), "7"),
    "person of another record": lambda c: c.person_id(WIDE, "8"),
    "person of a referral": lambda c: c.referred_person_id(ReferralId("referral-1")),
    "episode of an enrolment": lambda c: c.episode_id(WIDE, "7"),
    "episode of another enrolment": lambda c: c.episode_id(WIDE, "8"),
    "episode of a referral": lambda c: c.referred_episode_id(ReferralId("referral-1")),
    "referral": lambda c: c.referral_id(ClientId("gp"), REQUEST),
    "referral of another client": lambda c: c.referral_id(ClientId("gp2"), REQUEST),
    "referral of another system": lambda c: c.referral_id(
        ClientId("gp"), Identifier("https://gp2.example", "1")
    ),
    "request": lambda c: c.service_request_id(ReferralId("referral-1")),
    "task": lambda c: c.task_id(ReferralId("referral-1")),
    "other entry": lambda c: c.entry_id(ReferralId("referral-1"), "Condition", "0"),
    "other entry of another type": lambda c: c.entry_id(ReferralId("referral-1"), "Medication", "0"),
    "other entry of another place": lambda c: c.entry_id(ReferralId("referral-1"), "Condition", "1"),
    "response by its own id": lambda c: c.response_id(WIDE, "r1", "7", MOOD, AT_START),
    "response by another own id": lambda c: c.response_id(WIDE, "r2", "7", MOOD, AT_START),
    "response by its place": lambda c: c.response_id(WIDE, None, "7", MOOD, AT_START),
    "response at another timepoint": lambda c: c.response_id(WIDE, None, "7", MOOD, TimepointId("post")),
    "response to another instrument": lambda c: c.response_id(
        WIDE, None, "7", InstrumentId("skill"), AT_START
    ),
    "score": lambda c: c.score_id(ResponseId("response-1"), TOTAL),
    "score of another scale": lambda c: c.score_id(ResponseId("response-1"), ScaleId("part")),
    "safety answer": lambda c: c.answer_id(ResponseId("response-1"), LinkId("mood-3")),
    "flag": lambda c: c.flag_id(ResponseId("response-1"), LinkId("mood-3")),
    "flag of another item": lambda c: c.flag_id(ResponseId("response-1"), LinkId("mood-2")),
    "change": lambda c: c.change_id(EpisodeId("episode-1"), MOOD, TOTAL, TimepointId("post")),
    "change of another instrument": lambda c: c.change_id(
        EpisodeId("episode-1"), InstrumentId("skill"), TOTAL, TimepointId("post")
    ),
    "change up to another timepoint": lambda c: c.change_id(
        EpisodeId("episode-1"), MOOD, TOTAL, TimepointId("follow_up")
    ),
    "letter": lambda c: c.letter_id(EpisodeId("episode-1"), "discharge", 1),
    "its replacement": lambda c: c.letter_id(EpisodeId("episode-1"), "discharge", 2),
    "letter of another kind": lambda c: c.letter_id(EpisodeId("episode-1"), "receipt", 1),
    "DocumentReference": lambda c: c.document_reference_id(LetterId("letter-1")),
    "document Bundle": lambda c: c.document_bundle_id(LetterId("letter-1")),
    "Composition": lambda c: c.composition_id(LetterId("letter-1")),
    "practice": lambda c: c.organization_id(Identifier("https://example.org/practice-id", "EX-1")),
    "practice without a number": lambda c: c.unnumbered_organization_id("client:gp", "EX-1"),
    "practice of that name by another": lambda c: c.unnumbered_organization_id("client:gp2", "EX-1"),
    "practitioner": lambda c: c.practitioner_id(Identifier("https://example.org/provider-id", "EX-1")),
    "practitioner without a number": lambda c: c.unnumbered_practitioner_id("client:gp", "EX-1"),
    "signer": lambda c: c.signer_id("EX-1"),
    "role": lambda c: c.role_id(ResourceId("practitioner-1"), ResourceId("organization-1")),
}


def test_no_two_keys_share_an_id() -> None:
    ids = {name: call(IDS) for name, call in CALLS.items()}
    assert len(set(ids.values())) == len(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_an_id_is_the_same_every_time_and_fits_fhir(name: str) -> None:
    again = BusinessIds(KeyedIds(b"a" * 32), "https://example.org/fhir")
    found = CALLS[name](IDS)
    assert found == CALLS[name](again)
    assert re.fullmatch(r"[a-z]+-[0-9a-f]{32}", found)
    assert found.partition("-")[0] in set(IdKind)


@pytest.mark.parametrize("name", CALLS)
def test_another_secret_gives_another_id(name: str) -> None:
    assert CALLS[name](replace(IDS, keyed=KeyedIds(b"b" * 32))) != CALLS[name](IDS)


def test_a_response_with_its_own_id_keeps_it_wherever_it_is_placed() -> None:
    placed = IDS.response_id(WIDE, "r1", "7", MOOD, AT_START)
    assert IDS.response_id(WIDE, "r1", "8", InstrumentId("skill"), TimepointId("post")) == placed


def test_a_response_bears_the_sources_identifier_else_ours() -> None:
    response = ResponseId("response-1")
    assert IDS.response_identifier(WIDE, "r1", response) == Identifier(
        "https://example.org/fhir/sources/wide/response", "r1"
    )
    assert IDS.response_identifier(WIDE, None, response) == Identifier(
        "https://example.org/fhir/identifiers/response", "response-1"
    )


def test_our_identifiers_stand_under_the_canonical_base() -> None:
    assert IDS.own_identifier(IdKind.CHANGE, "change-1") == Identifier(
        "https://example.org/fhir/identifiers/change", "change-1"
    )


def test_a_referral_number_can_be_read_over_the_telephone_and_says_nothing() -> None:
    number = IDS.referral_number(ReferralId("referral-1"))
    assert re.fullmatch(r"R-[0-9]{12}", number)
    assert number == IDS.referral_number(ReferralId("referral-1"))
    assert number != IDS.referral_number(ReferralId("referral-2"))
    assert number != replace(IDS, keyed=KeyedIds(b"b" * 32)).referral_number(ReferralId("referral-1"))
