"""The smaller books: arrivals, work items, letters, accounts, sessions, clients, neighbours, leases, the id proof."""

from datetime import date, timedelta

import pytest

from fhir_pmp.identifiers import (
    ClientId,
    DestinationId,
    EpisodeId,
    Identifier,
    LetterId,
    PersonId,
    ResourceId,
)
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.access.accounts import Role
from fhir_pmp.store.access.clients import ClientKind
from fhir_pmp.store.access.id_proof import IdProof
from fhir_pmp.store.access.sessions import Session
from fhir_pmp.store.clinical.letters import Letter, LetterState, Preview
from fhir_pmp.store.errors import AlreadyStored, ChangedMeanwhile, NotStored
from fhir_pmp.store.inbox import ArrivalState
from fhir_pmp.store.programme_replies import ProgrammeReply
from fhir_pmp.store.remote_state.breakers import Breaker
from fhir_pmp.store.remote_state.remote_versions import RemoteVersion
from tests.integration.store.sample_records import MINUTE, NOW, add_person

HOSPITAL = DestinationId("hospital")
EPISODE = EpisodeId("episode-1")


@pytest.mark.promise("P6")
def test_an_arrival_is_kept_verbatim_once_and_its_first_answer_stands(store: Store) -> None:
    body = b'{"resourceType": "Bundle"}\x00\xff'
    with store.begin_without_publishing() as uow:
        kept = uow.inbox.add("referral", "practice-a", body, now=NOW)
        assert (kept.body, kept.state, kept.reply_status) == (body, ArrivalState.RECEIVED, None)
        uow.inbox.record_reply(kept.id, ArrivalState.DONE, key="sr1", status=200, body=b"first")
        uow.inbox.record_reply(kept.id, ArrivalState.REFUSED, key="sr1", status=409, body=b"second")
    with store.begin_without_publishing() as uow:
        again = uow.inbox.add("referral", "practice-a", body, now=NOW + MINUTE)
        assert (again.id, again.received_at) == (kept.id, NOW)
        assert (again.state, again.reply_status, again.reply_body) == (ArrivalState.DONE, 200, b"first")
        other = uow.inbox.add("referral", "practice-b", body, now=NOW)
        assert other.id != kept.id
        assert [a.id for a in uow.inbox.list_by_key("referral", "practice-a", "sr1")] == [kept.id]
        assert [a.id for a in uow.inbox.list_all(ArrivalState.RECEIVED)] == [other.id]
        assert uow.inbox.get(kept.id) == again


def test_a_platforms_first_answer_is_kept_under_its_own_id(store: Store) -> None:
    answer = ProgrammeReply("content", 201, b"{}")
    with store.begin() as uow:
        uow.programme_replies.add("platform", "POST /people p1", answer, now=NOW)
        assert uow.programme_replies.find("platform", "POST /people p1") == answer
        assert uow.programme_replies.find("other", "POST /people p1") is None
    with pytest.raises(AlreadyStored), store.begin() as uow:
        uow.programme_replies.add("platform", "POST /people p1", answer, now=NOW)


def test_a_newer_answer_takes_the_place_of_an_older_one_where_that_is_asked_for(store: Store) -> None:
    older, newer = ProgrammeReply("content", 201, b"{}"), ProgrammeReply("other", 200, b"[]")
    with store.begin() as uow:
        uow.programme_replies.add("platform", "a", older, now=NOW)
        uow.programme_replies.put_many("platform", {"a": newer, "b": older}, now=NOW)
        assert uow.programme_replies.find_many("platform", ["a", "b", "c"]) == {"a": newer, "b": older}


def test_the_newest_item_of_a_kind_is_found_though_it_is_closed(store: Store) -> None:
    with store.begin_without_publishing() as uow:
        about = {"about": "person/p1", "role": "clinician", "what": "Who is this?", "now": NOW}
        assert uow.work_items.find_last("who", "person/p1") is None
        first = uow.work_items.open("who", person=PersonId("p1"), **about)  # type: ignore[arg-type]
        uow.work_items.close(first.id, by="ada", how="the same", now=NOW)
        second = uow.work_items.open("who", person=PersonId("p1"), **about)  # type: ignore[arg-type]
        uow.work_items.repoint(PersonId("p1"), PersonId("p2"))
        last = uow.work_items.find_last("who", "person/p1")
        assert last is not None and (last.id, last.person) == (second.id, "p2")
        assert uow.work_items.get(first.id).person == "p1"


def test_one_work_item_of_a_kind_about_a_thing_stands_until_it_is_closed(store: Store) -> None:
    with store.begin_without_publishing() as uow:
        items = uow.work_items
        first = items.open(
            "identity",
            about="episode/episode-1",
            role="clinician",
            what="who is this?",
            now=NOW,
            person=PersonId("patient-1"),
            details={"candidates": ["patient-1", "patient-2"]},
        )
        assert (
            items.open("identity", about="episode/episode-1", role="x", what="y", now=NOW + MINUTE) == first
        )
        second = items.open("identity", about="episode/episode-2", role="clinician", what="who?", now=NOW)
        assert [i.id for i in items.list_open()] == [first.id, second.id]
        assert items.list_open(person=PersonId("patient-1")) == [first]
        assert items.find_open("identity", "episode/episode-1") == first
        closed = items.close(first.id, by="Dr A", how="the same person", now=NOW + MINUTE)
        assert (closed.closed_at, closed.closed_by, closed.resolution) == (
            NOW + MINUTE,
            "Dr A",
            "the same person",
        )
        with pytest.raises(ChangedMeanwhile):
            items.close(first.id, by="Dr B", how="x", now=NOW)
        reopened = items.open("identity", about="episode/episode-1", role="clinician", what="?", now=NOW)
        assert reopened.id != first.id
        assert items.close_about("identity", "episode/episode-2", by="system", how="linked", now=NOW)
        assert not items.close_about("identity", "episode/episode-2", by="system", how="linked", now=NOW)
        with pytest.raises(NotStored):
            items.get(999)


def draft(uow: UnitOfWork, number: int = 1) -> Letter:
    return uow.letters.add_draft(
        LetterId(f"letter-{number}"),
        episode=EPISODE,
        kind=LetterKind.DISCHARGE,
        number=number,
        fields={"comment": ""},
        pinned='{"v":1}',
        replaces=None,
        now=NOW,
    )


def sign(uow: UnitOfWork, letter: LetterId) -> Letter:
    return uow.letters.sign(
        letter,
        pdf=b"%PDF",
        pdf_hash="hash",
        pinned='{"v":1}',
        document_reference_id=ResourceId(f"document-{letter}"),
        bundle_id=ResourceId(f"bundle-{letter}"),
        by="account-1",
        now=NOW + MINUTE,
    )


def test_a_letter_goes_from_draft_to_preview_to_signed_to_replaced(store: Store) -> None:
    preview = Preview("hash", b"%PDF", "account-1", date(2026, 4, 5), '{"v":1}')
    with store.begin() as uow:
        add_person(uow, 1)
        letters = uow.letters
        assert letters.next_number(EPISODE, LetterKind.DISCHARGE) == 1
        letter = draft(uow)
        assert letters.list_drafts() == [letter]
        assert letters.next_number(EPISODE, LetterKind.DISCHARGE) == 2
        letters.set_preview(letter.id, preview)
        assert letters.preview(letter.id) == preview
        edited = letters.edit(letter.id, fields={"comment": "x"}, now=NOW)
        assert (edited.fields, letters.preview(letter.id)) == ({"comment": "x"}, None)
        with pytest.raises(NotStored):
            letters.pdf(letter.id)
        signed = sign(uow, letter.id)
        assert (signed.state, signed.signed_at, signed.pdf_hash) == (LetterState.SIGNED, NOW + MINUTE, "hash")
        assert letters.pdf(letter.id) == b"%PDF"
        assert letters.find_by_document(ResourceId("document-letter-1")) == signed
        for change in (
            lambda: letters.edit(letter.id, fields={}, now=NOW),
            lambda: letters.set_preview(letter.id, preview),
            lambda: letters.discard(letter.id),
            lambda: sign(uow, letter.id),
        ):
            with pytest.raises(ChangedMeanwhile):
                change()
        draft(uow, 2)
        letters.discard(LetterId("letter-2"))
        draft(uow, 3)
        sign(uow, LetterId("letter-3"))
        assert letters.mark_replaced(letter.id).state is LetterState.REPLACED
        assert [x.id for x in letters.list_signed(EPISODE)] == ["letter-1", "letter-3"]
        assert letters.list_drafts() == []
        assert letters.pdf(letter.id) == b"%PDF"


def test_a_letter_is_due_once_until_it_is_drafted(store: Store) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        due = uow.letters_due
        due.add(EPISODE, LetterKind.DISCHARGE, now=NOW)
        due.add(EPISODE, LetterKind.DISCHARGE, now=NOW + MINUTE)
        due.add(EPISODE, LetterKind.RECEIPT, now=NOW + MINUTE)
        first, second = due.list_all()
        assert (first.kind, first.due_at, second.kind) == (LetterKind.DISCHARGE, NOW, LetterKind.RECEIPT)
        assert due.mark_done(first.seq, now=NOW)
        assert not due.mark_done(first.seq, now=NOW)
        assert due.list_all() == [second]
        due.add(EPISODE, LetterKind.DISCHARGE, now=NOW)
        assert len(due.list_all()) == 2


def test_accounts_are_found_by_login_in_any_case_and_sessions_end_with_them(store: Store) -> None:
    with store.begin_without_publishing() as uow:
        accounts, sessions = uow.accounts, uow.sessions
        ann = accounts.add(
            "account-1",
            login="Ann",
            name="Dr Ann",
            role=Role.CLINICIAN,
            registration="MED1",
            password_hash="h",
            now=NOW,
        )
        assert accounts.find_by_login("aNN") == accounts.find("account-1") == ann
        with pytest.raises(AlreadyStored):
            accounts.add(
                "account-2",
                login="ANN",
                name="x",
                role=Role.ADMINISTRATOR,
                registration=None,
                password_hash="h",
                now=NOW,
            )
        accounts.set_password(ann.id, "h2")
        assert accounts.get(ann.id).password_hash == "h2"
        session = Session("t1", ann.id, "secret", NOW, NOW)
        sessions.add(session)
        sessions.touch("t1", now=NOW + MINUTE)
        found = sessions.find("t1")
        assert found is not None and found.last_seen_at == NOW + MINUTE
        sessions.add(Session("t2", ann.id, "secret", NOW, NOW))
        assert sessions.remove_idle(seen_before=NOW + MINUTE, created_before=NOW) == 1
        assert (sessions.find("t1") is None, sessions.find("t2") is None) == (False, True)
        accounts.set_disabled(ann.id, True)
        assert sessions.find("t1") is None
        assert [a.disabled for a in accounts.list_all()] == [True]


def test_failed_logins_are_counted_by_login_and_by_address(store: Store) -> None:
    with store.begin_without_publishing() as uow:
        accounts = uow.accounts
        attempts = [accounts.add_attempt("Ann", f"10.0.0.{n % 2}", now=NOW + n * MINUTE) for n in range(4)]
        accounts.mark_succeeded(attempts[3])
        assert accounts.count_failed_attempts(since=NOW, login="ann") == 3
        assert accounts.count_failed_attempts(since=NOW + MINUTE, login="ANN") == 2
        assert accounts.count_failed_attempts(since=NOW, address="10.0.0.1") == 1
        assert accounts.count_failed_attempts(since=NOW, login="nobody") == 0


def test_clients_are_found_by_token_name_and_practice(store: Store) -> None:
    practice = Identifier("urn:hpio", "1")
    with store.begin_without_publishing() as uow:
        clients = uow.clients
        client = clients.add(
            ClientId("c1"),
            name="Practice",
            kind=ClientKind.PRACTICE,
            token_hash="t1",
            organization=practice,
            now=NOW,
        )
        clients.add(
            ClientId("c2"), name="EHR", kind=ClientKind.EHR, token_hash="t2", organization=practice, now=NOW
        )
        assert clients.find_by_token_hash("t1") == clients.find_by_name("Practice") == client
        assert clients.find_practice(practice) == client
        assert clients.find_practice(Identifier("urn:other", "1")) is None
        with pytest.raises(AlreadyStored):
            clients.add(ClientId("c3"), name="EHR", kind=ClientKind.EHR, token_hash="t3", now=NOW)
        clients.set_token(client.id, "t9")
        clients.set_disabled(client.id, True)
        assert clients.find_by_token_hash("t1") is None
        assert clients.get(client.id).disabled
        assert [c.name for c in clients.list_all()] == ["EHR", "Practice"]


def test_what_a_destination_calls_and_holds_of_ours_is_remembered(store: Store) -> None:
    first = RemoteVersion("Observation", "o1", 1, 'W/"1"', "h1")
    second = RemoteVersion("Observation", "o1", 2, 'W/"2"', "h2")
    with store.begin_without_publishing() as uow:
        ids, held = uow.remote_ids, uow.remote_versions
        ids.link(HOSPITAL, "Patient/patient-1", "Patient/77", how="one active match", by="sync", now=NOW)
        ids.link(HOSPITAL, "Patient/patient-1", "Patient/78", how="decided", by="Dr A", now=NOW)
        link = ids.find(HOSPITAL, "Patient/patient-1")
        assert link is not None and (link.remote_reference, link.how, link.by) == (
            "Patient/78",
            "decided",
            "Dr A",
        )
        assert ids.find(DestinationId("other"), "Patient/patient-1") is None
        ids.unlink(HOSPITAL, "Patient/patient-1")
        assert ids.find(HOSPITAL, "Patient/patient-1") is None
        held.put_many(HOSPITAL, [first], now=NOW)
        held.put_many(HOSPITAL, [second], now=NOW)
        assert held.find_many(HOSPITAL, ["Observation/o1", "Flag/o1"]) == {"Observation/o1": second}
        held.forget(HOSPITAL, "Observation/o1", now=NOW)
        assert held.find_many(HOSPITAL, ["Observation/o1"]) == {}


def test_a_breaker_is_closed_until_it_is_said_to_be_open(store: Store) -> None:
    opened = Breaker("open", 5, NOW, NOW + MINUTE, "busy")
    with store.begin_without_publishing() as uow:
        assert uow.breakers.get(HOSPITAL) == Breaker()
        uow.breakers.put(HOSPITAL, opened)
        assert uow.breakers.get(HOSPITAL) == opened
        uow.breakers.put(HOSPITAL, Breaker())
        assert uow.breakers.get(HOSPITAL) == Breaker()


def test_one_holder_leads_until_its_lease_ends(store: Store) -> None:
    duration = timedelta(seconds=30)
    with store.begin_without_publishing() as uow:
        leases = uow.leases
        assert leases.acquire("push", "a", now=NOW, duration=duration)
        assert not leases.acquire("push", "b", now=NOW, duration=duration)
        assert leases.acquire("push", "a", now=NOW + duration / 2, duration=duration)
        assert not leases.acquire("push", "b", now=NOW + duration, duration=duration)
        assert leases.acquire("push", "b", now=NOW + 2 * duration, duration=duration)
        leases.release_lease("push", "a")
        assert not leases.acquire("push", "a", now=NOW + 2 * duration, duration=duration)
        leases.release_lease("push", "b")
        assert leases.acquire("push", "a", now=NOW + 2 * duration, duration=duration)


def test_the_id_proof_is_kept(store: Store) -> None:
    proof = IdProof("patient-1", "patient", ("a", "b"))
    with store.begin() as uow:
        assert uow.id_proofs.find() is None
        uow.id_proofs.keep(proof)
        assert uow.id_proofs.find() == proof
