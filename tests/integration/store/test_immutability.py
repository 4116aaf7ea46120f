"""What is kept stays as it was: audit, published versions, arrivals and signed letters refuse every change."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from fhir_pmp.identifiers import EpisodeId, LetterId, PersonId, ResourceId
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.store.audit_writer import AuditNotWritten, AuditWriter
from fhir_pmp.store.errors import StoreBusy
from tests.integration.store.sample_records import NOW, add_person, resource

ROW = AuditRow(
    at=NOW,
    who="client:hospital",
    route="/fhir/Observation/<id>",
    action="read",
    outcome="200",
    request_id="r1",
    resources=("Observation/o1/_history/1", "Observation/o2/_history/3"),
    persons=(PersonId("patient-1"),),
)


def add_one_of_each(uow: UnitOfWork, publisher: Publisher) -> None:
    add_person(uow, 1)
    publisher.publish(uow, [resource("o1")], now=NOW)
    uow.audit.append([ROW])
    uow.inbox.add("referral", "practice-a", b"{}", now=NOW)
    letter = LetterId("letter-1")
    uow.letters.add_draft(
        letter,
        episode=EpisodeId("episode-1"),
        kind=LetterKind.DISCHARGE,
        number=1,
        fields={"comment": ""},
        pinned="{}",
        replaces=None,
        now=NOW,
    )
    uow.letters.sign(
        letter,
        pdf=b"%PDF",
        pdf_hash="h",
        pinned="{}",
        document_reference_id=ResourceId("document-1"),
        bundle_id=ResourceId("bundle-1"),
        by="account-1",
        now=NOW,
    )


FORBIDDEN_STATEMENTS = [
    "UPDATE audit SET who = 'nobody'",
    "DELETE FROM audit",
    "UPDATE published SET content = content",
    "UPDATE published SET last_updated = 1",
    "DELETE FROM published",
    "UPDATE inbox SET body = body",
    "DELETE FROM inbox",
    "UPDATE letters SET pdf = NULL",
    "UPDATE letters SET signed_by = 'another'",
    "DELETE FROM letters",
]


@pytest.mark.promise("P8", "P14")
def test_the_database_itself_refuses_to_rewrite_what_was_kept(
    store: Store, migrated_url: str, publisher: Publisher
) -> None:
    with store.begin() as uow:
        add_one_of_each(uow, publisher)
    engine = sa.create_engine(migrated_url)
    truncates = (
        []
        if engine.dialect.name == "sqlite"
        else [f"TRUNCATE {t} CASCADE" for t in ("audit", "published", "inbox")]
    )
    for statement in FORBIDDEN_STATEMENTS + truncates:
        with pytest.raises(sa.exc.IntegrityError, match="never"), engine.begin() as connection:
            connection.execute(sa.text(statement))
    engine.dispose()
    with store.read() as uow:
        assert [row for _, row in uow.audit.list_all()] == [ROW]
        assert uow.letters.pdf(LetterId("letter-1")) == b"%PDF"


def test_the_audit_is_found_by_person_and_read_in_order(store: Store) -> None:
    other = replace(ROW, request_id="r2", persons=(PersonId("patient-11"), PersonId("patient-2")))
    with store.begin_without_publishing() as uow:
        uow.audit.append([ROW, other])
        assert uow.audit.of_person(PersonId("patient-1")) == [ROW]
        assert uow.audit.of_person(PersonId("patient-2")) == [other]
        numbers = [number for number, _ in uow.audit.list_all()]
        assert uow.audit.list_all(after=numbers[0]) == [(numbers[1], other)]


@pytest.mark.promise("P8")
def test_a_row_is_committed_when_write_returns(store: Store) -> None:
    writer = AuditWriter(store)
    writer.write(ROW)
    with store.read() as uow:
        assert [row for _, row in uow.audit.list_all()] == [ROW]
    writer.close()


def test_rows_in_flight_together_share_commits_and_none_is_lost(store: Store) -> None:
    writer = AuditWriter(store)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: writer.write(replace(ROW, request_id=f"r{n}")), range(400)))
    writer.close()
    with store.read() as uow:
        rows = [row for _, row in uow.audit.list_all()]
    assert {row.request_id for row in rows} == {f"r{n}" for n in range(400)}
    assert len(rows) == 400


class FailingStore(Store):
    """A store whose commits fail while `broken`."""

    fails = True

    def begin_without_publishing(self):  # type: ignore[no-untyped-def]
        """As the store does it, or StoreBusy."""
        if self.fails:
            raise StoreBusy
        return super().begin_without_publishing()


def test_a_row_that_cannot_be_committed_is_told_and_the_writer_goes_on(migrated_url: str) -> None:
    store = FailingStore(migrated_url)
    writer = AuditWriter(store)
    with pytest.raises(AuditNotWritten):
        writer.write(ROW)
    store.fails = False
    writer.write(ROW)
    writer.close()
    with pytest.raises(AuditNotWritten):
        writer.write(ROW)
    assert not any(thread.name == "audit" for thread in threading.enumerate())
    with store.read() as uow:
        assert len(uow.audit.list_all()) == 1
    store.close()
