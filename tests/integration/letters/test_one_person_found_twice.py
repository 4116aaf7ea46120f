"""Letters of a record that is found to be a double: who read them before reads them after."""

from dataclasses import replace

from fhir_pmp.identifiers import ClientId, EpisodeId, Identifier
from fhir_pmp.intake.arrivals import ArrivedEnrolment, Fate
from fhir_pmp.intake.enrolments import record_enrolments
from fhir_pmp.intake.same_person import Decision, decide_same_person
from fhir_pmp.store.letters import Letter
from fhir_pmp.store.readers import Reader
from tests.integration.letters.house import House, enrolment_of, moment
from tests.spec.letters.cases import MEDICARE, clinic, read_yaml

LATER = moment("2026-05-02")
EHR = Reader.ehr(ClientId("ehr"))


def known(**said: object) -> ArrivedEnrolment:
    """A second record, known under another number."""
    blank = {"enrolled_on": None, "started_on": None, "lessons": (), "ended_on": None, "ended_how": None}
    arrival = enrolment_of(read_yaml("pseq_rise", "facts.yaml"), None, True)
    return replace(arrival, enrolment="known", identifiers=(Identifier(MEDICARE, "77"),), **blank, **said)  # type: ignore[arg-type]


def enrol(house: House, *arrivals: ArrivedEnrolment) -> None:
    with house.store.begin() as books:
        receipts = record_enrolments(books, clinic(), house.publisher, arrivals, LATER)
    assert Fate.REFUSED not in {receipt.fate for receipt in receipts}, receipts


def found_to_be_the_same(house: House, *, share: bool = True) -> tuple[EpisodeId, Letter]:
    """Somebody with a signed letter bears a known record's number as well, and a clinician says that they are one."""
    episode, signed = house.signed("pseq_rise", referred=False, share=share)
    enrol(house, known())
    said = enrolment_of(read_yaml("pseq_rise", "facts.yaml"), None, share)
    enrol(house, replace(said, identifiers=(*said.identifiers, Identifier(MEDICARE, "77"))))
    (question,) = house.open_items("who_is_this")
    with house.store.begin() as books:
        decide_same_person(
            books,
            clinic(),
            house.publisher,
            question.id,
            Decision.SAME_PERSON,
            by="account:robin",
            now=LATER,
        )
    return episode, signed


def test_the_signed_document_is_read_on_word_for_word_and_queued(house: House) -> None:
    episode, signed = found_to_be_the_same(house)
    bundle = house.published("Bundle", str(signed.bundle_id), EHR)
    assert house.published("DocumentReference", str(signed.document_reference_id), EHR) is not None
    assert bundle is not None
    with house.store.read() as books:
        first, second = reversed(books.published.history(Reader.house(), "Bundle", str(signed.bundle_id)))
        queued = [one.seq for one in books.deliveries.list_all(limit=1000) if one.type == "Bundle"]
    assert first.content_hash == second.content_hash
    assert bundle["meta"]["versionId"] == "2"
    assert second.person == house.episode(episode).person != first.person
    assert len(queued) == 2  # the first version and the one under the kept person


def test_without_consent_the_document_stays_in_the_house(house: House) -> None:
    _, signed = found_to_be_the_same(house, share=False)
    assert house.published("Bundle", str(signed.bundle_id), EHR) is None
    with house.store.read() as books:
        assert "Bundle" not in {one.type for one in books.deliveries.list_all(limit=1000)}
