"""What is due is drafted once, receipts leave by themselves, and a decline takes effect when it is signed."""

from base64 import b64decode
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from fhir_pmp.identifiers import ClientId, LetterId
from fhir_pmp.intake.decisions import acknowledge_flag
from fhir_pmp.letters.content import Paragraph
from fhir_pmp.letters.drafting import (
    NothingToDecline,
    NothingToReplace,
    draft_content,
    draft_due_letters,
    edit_draft,
    start_decline,
    start_replacement,
)
from fhir_pmp.letters.signing import preview_letter, sign_letter
from fhir_pmp.letters.typesetting import Typesetter
from fhir_pmp.pathway.episodes import Event, MoveNotListed
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.store.letters import LetterKind, LetterState
from fhir_pmp.store.readers import Reader
from tests.conftest import found_or_counted
from tests.integration.letters.house import House, moment
from tests.spec.letters.cases import clinic
from tests.spec.letters.reading import find_poppler, text_of

NOW = moment("2026-04-30")


def test_a_receipt_leaves_by_itself_once_and_the_practice_reads_it(house: House, tmp_path: Path) -> None:
    found_or_counted(find_poppler)
    now = moment("2026-02-09", 9, 31)
    episode = house.refer("receipt")
    assert len(draft_due_letters(house.store, house.press, now)) == 1
    assert draft_due_letters(house.store, house.press, now) == []
    with house.store.read() as books:
        (receipt,) = books.letters.of_episode(episode, LetterKind.RECEIPT)
        number = books.referrals.of_episodes([episode])[episode].number
    assert (receipt.state, receipt.signed_by, receipt.signed_at) == (LetterState.SIGNED, "automatic", now)
    document = house.published(
        "DocumentReference", str(receipt.document_reference_id), Reader.practice(ClientId("practice"))
    )
    assert document is not None
    assert "authenticator" not in document
    (page,) = text_of(b64decode(document["content"][0]["attachment"]["data"]), tmp_path)
    assert "Your referral of 6 February 2026 for Maren Testholm arrived on 9 February 2026." in page
    assert f"Our referral number is {number}." in page
    bundle = house.published("Bundle", str(receipt.bundle_id), Reader.practice(ClientId("practice")))
    assert bundle is not None
    assert "attester" not in bundle["entry"][0]["resource"]
    outputs = house.task_history(episode)[-1]["output"]
    assert [one["valueReference"]["reference"] for one in outputs] == [f"DocumentReference/{document['id']}"]


def test_an_ending_gives_one_draft_with_what_follows_from_the_facts(house: House) -> None:
    episode = house.complete("deteriorated")
    draft = house.draft(episode, NOW)
    house.draft(episode, NOW)
    with house.store.read() as books:
        assert len(books.letters.of_episode(episode, LetterKind.DISCHARGE)) == 1
        assert [one.id for one in books.letters.list_drafts()] == [draft.id]
    assert draft.fields["gp_actions"] == (
        "Please review depression symptoms (PHQ-9), pain catastrophising (PCS) and average pain (BPI) at the next visit."
    )
    assert draft.fields["comment"] == ""


def test_the_reason_for_stopping_is_proposed_as_the_platform_gave_it(house: House) -> None:
    draft = house.draft(house.complete("stopped_early"), moment("2026-04-01"))
    assert draft.fields["stop_reason"] == "Moved interstate"
    assert "may be referred again" in draft.fields["gp_actions"]


def test_whatever_a_platform_writes_as_a_reason_a_draft_is_made(house: House) -> None:
    episode = house.complete("stopped_early")
    with house.store.begin() as books:
        found = books.episodes.get(episode)
        books.episodes.update(replace(found, end_reason="\u202eMoved\u200b " + "x" * 5000), now=NOW)
    draft = house.draft(episode, moment("2026-04-01"))
    assert draft.fields["stop_reason"].startswith("Moved")
    assert len(draft.fields["stop_reason"]) <= 1500


def test_a_letter_that_cannot_be_made_leaves_the_others_and_a_work_item_until_it_is(
    house: House, tmp_path: Path
) -> None:
    now = moment("2026-02-12")
    first, second = house.refer("receipt"), house.complete("never_started", referred=False)
    (tmp_path / "letter.typ").write_text("#panic()")
    with Typesetter(tmp_path) as broken:
        press = replace(house.press, typesetter=broken)
        made = draft_due_letters(house.store, press, now)
    with house.store.read() as books:
        assert made == [books.letters.of_episode(second)[0].id]
    (item,) = house.open_items("letter-not-made")
    assert (item.episode, item.details["refusal"]) == (first, "LetterNotSet")
    assert len(draft_due_letters(house.store, house.press, now)) == 1
    assert house.open_items("letter-not-made") == []


def test_a_decline_takes_effect_when_it_is_signed(house: House) -> None:
    now = moment("2026-02-12")
    episode = house.refer("decline")
    draft = start_decline(house.store, house.press, episode, now)
    assert start_decline(house.store, house.press, episode, now) == draft
    assert house.episode(episode).state is EpisodeState.REFERRED
    with house.store.begin() as books:
        books.letters.edit(
            draft.id, fields={**draft.fields, "stop_reason": "The programme is for adults."}, now=now
        )
    signed = house.sign(draft, now)
    assert house.episode(episode).state is EpisodeState.DECLINED
    task = house.task_history(episode)[-1]
    assert (task["status"], task["statusReason"]) == ("rejected", {"text": "The programme is for adults."})
    assert f"DocumentReference/{signed.document_reference_id}" in [
        one["valueReference"]["reference"] for one in task["output"]
    ]
    assert house.published(
        "DocumentReference", str(signed.document_reference_id), Reader.practice(ClientId("practice"))
    )


def test_a_declined_referral_is_declined_once_though_its_letter_is_replaced(house: House) -> None:
    now, later = moment("2026-02-12"), moment("2026-02-16")
    episode = house.refer("decline")
    old = house.sign(start_decline(house.store, house.press, episode, now), now)
    draft = start_replacement(house.store, house.press, old.id, later)
    edit_draft(house.store, house.press, draft.id, {"stop_reason": "The programme is for adults."}, later)
    with house.store.read() as books:
        content = draft_content(books, house.press, books.letters.get(draft.id), later)
    (declined, reason) = [block.text for block in content.sections[0].blocks if isinstance(block, Paragraph)]
    assert declined.endswith("was declined on 12 February 2026.")
    assert reason == "Reason: The programme is for adults."
    new = house.sign(draft, later)
    after = house.episode(episode)
    assert (after.state, after.ended_on) == (EpisodeState.DECLINED, now.date())
    with house.store.read() as books:
        moves = [move.event for move in books.episodes.history(episode)]
        assert books.letters.get(old.id).state is LetterState.REPLACED
    assert moves.count(Event.DECLINE) == 1
    task = house.task_history(episode)[-1]
    assert (task["status"], task["statusReason"]) == ("rejected", {"text": "The programme is for adults."})
    outputs = [one["valueReference"]["reference"] for one in task["output"]]
    assert outputs[-1] == f"DocumentReference/{new.document_reference_id}"


def test_a_referral_that_was_cancelled_meanwhile_is_not_declined(house: House) -> None:
    now = moment("2026-02-12")
    episode = house.refer("decline")
    draft = start_decline(house.store, house.press, episode, now)
    preview = preview_letter(house.store, house.press, draft.id, house.robin, now)
    with house.store.begin() as books:
        referred = books.episodes.get(episode)
        books.episodes.move(
            referred, EpisodeState.CANCELLED, event=Event.CANCEL, by="client:practice", now=now
        )
    with pytest.raises(MoveNotListed):
        sign_letter(house.store, house.press, draft.id, house.robin, preview.hash, now)
    with house.store.read() as books:
        assert books.letters.get(draft.id).state is LetterState.DRAFT
    with pytest.raises(NothingToDecline):
        start_decline(house.store, house.press, episode, now)


def _asked_of_the_gp(house: House, letter: LetterId, now: datetime) -> list[str]:
    """What the draft asks of the GP by the facts of that moment."""
    with house.store.read() as books:
        content = draft_content(books, house.press, books.letters.get(letter), now)
    return [
        block.text
        for section in content.sections
        for block in section.blocks
        if section.id == "requests" and isinstance(block, Paragraph)
    ]


USUAL = "Please continue usual care. No action by you is needed for the programme."


def test_a_proposal_of_usual_care_does_not_outlive_the_answers_it_was_proposed_from(house: House) -> None:
    draft = house.draft(house.complete("pseq_rise"), NOW)
    edit_draft(house.store, house.press, draft.id, {"comment": "She did well."}, NOW)
    assert _asked_of_the_gp(house, draft.id, NOW) == [USUAL]
    # PHQ-9 from 15 at start to 26: 11 points more, past the 6 of its rule; item 9 is 2.
    house.answer("pseq_rise", "phq9", "post", "3 3 3 3 3 3 3 3 2", "2026-04-28", amends=True, now=NOW)
    (asked,) = _asked_of_the_gp(house, draft.id, NOW)
    assert "No action" not in asked
    assert asked == (
        "Please review depression symptoms (PHQ-9) at the next visit. "
        "Please ask about mood and thoughts of self-harm at the next visit."
    )
    with house.store.begin() as books:
        (flag,) = books.flags.list_open()
        acknowledge_flag(books, clinic(), house.publisher, flag.id, by="Dr Robin", action="Called.", now=NOW)
    signed = house.sign(draft, NOW)
    assert (signed.fields["gp_actions"], signed.fields["comment"]) == (asked, "She did well.")


def test_what_a_clinician_asks_of_the_gp_stays_though_the_facts_move(house: House) -> None:
    draft = house.draft(house.complete("pseq_rise"), NOW)
    edit_draft(house.store, house.press, draft.id, {"gp_actions": "Please call us."}, NOW)
    house.answer("pseq_rise", "phq9", "post", "3 3 3 3 3 3 3 3 2", "2026-04-28", amends=True, now=NOW)
    assert _asked_of_the_gp(house, draft.id, NOW) == ["Please call us."]


def test_a_replacement_proposes_by_the_facts_of_its_day(house: House) -> None:
    _, old = house.signed("pseq_rise")
    assert old.fields["gp_actions"] == USUAL
    house.answer("pseq_rise", "phq9", "post", "3 3 3 3 3 3 3 3 0", "2026-04-28", amends=True, now=NOW)
    new = start_replacement(house.store, house.press, old.id, NOW)
    assert new.fields["gp_actions"] == "Please review depression symptoms (PHQ-9) at the next visit."


def test_a_replacement_supersedes_the_old_letter_and_joins_it_on_the_task(house: House) -> None:
    episode, old = house.signed("pseq_rise")
    with house.store.read() as books:
        old_pdf = books.letters.pdf(old.id)
    draft = start_replacement(house.store, house.press, old.id, NOW)
    assert start_replacement(house.store, house.press, old.id, NOW) == draft
    assert (draft.number, draft.replaces, draft.fields) == (2, old.id, old.fields)
    new = house.sign(draft, moment("2026-05-02"))
    with house.store.read() as books:
        assert books.letters.get(old.id).state is LetterState.REPLACED
        assert books.letters.pdf(old.id) == old_pdf
    was = house.published("DocumentReference", str(old.document_reference_id))
    now = house.published("DocumentReference", str(new.document_reference_id))
    assert was is not None and now is not None
    assert (was["status"], now["status"]) == ("superseded", "current")
    assert b64decode(was["content"][0]["attachment"]["data"]) == old_pdf
    assert now["relatesTo"] == [
        {"code": "replaces", "target": {"reference": f"DocumentReference/{old.document_reference_id}"}}
    ]
    outputs = [one["valueReference"]["reference"] for one in house.task_history(episode)[-1]["output"]]
    assert f"DocumentReference/{old.document_reference_id}" in outputs
    assert outputs[-1] == f"DocumentReference/{new.document_reference_id}"
    with pytest.raises(NothingToReplace):
        start_replacement(house.store, house.press, old.id, NOW)
