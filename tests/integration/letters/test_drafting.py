"""What is due is drafted once, receipts leave by themselves, and a decline takes effect when it is signed."""

from base64 import b64decode
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from fhir_pmp.identifiers import ClientId, LetterId
from fhir_pmp.intake.episode.clinician_decisions import acknowledge_flag
from fhir_pmp.letters.lifecycle.drafting import (
    NothingToDecline,
    NothingToReplace,
    draft_content,
    draft_due_letters,
    edit_draft,
    start_decline,
    start_replacement,
)
from fhir_pmp.letters.lifecycle.signing import preview_letter, sign_letter
from fhir_pmp.letters.rendering.typesetting import Typesetter
from fhir_pmp.letters.text.letter_content import Paragraph
from fhir_pmp.pathway.episode_states import EpisodeEvent, MoveNotListed
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.store.clinical.letters import LetterState
from fhir_pmp.store.versions.read_scope import Reader
from tests.conftest import require_part
from tests.integration.letters.letter_harness import LetterHarness, moment
from tests.spec.letters.pdf_text import find_poppler, text_of

NOW = moment("2026-04-30")


def test_a_receipt_leaves_by_itself_once_and_the_practice_reads_it(
    harness: LetterHarness, tmp_path: Path
) -> None:
    require_part(find_poppler)
    now = moment("2026-02-09", 9, 31)
    episode = harness.refer("receipt")
    assert len(draft_due_letters(harness.store, harness.letter_context, now)) == 1
    assert draft_due_letters(harness.store, harness.letter_context, now) == []
    with harness.store.read() as uow:
        (receipt,) = uow.letters.of_episode(episode, LetterKind.RECEIPT)
        number = uow.referrals.of_episodes([episode])[episode].number
    assert (receipt.state, receipt.signed_by, receipt.signed_at) == (LetterState.SIGNED, "automatic", now)
    document = harness.published(
        "DocumentReference", str(receipt.document_reference_id), Reader.practice(ClientId("practice"))
    )
    assert document is not None
    assert "authenticator" not in document
    (page,) = text_of(b64decode(document["content"][0]["attachment"]["data"]), tmp_path)
    assert "Your referral of 6 February 2026 for Maren Testholm arrived on 9 February 2026." in page
    assert f"Our referral number is {number}." in page
    bundle = harness.published("Bundle", str(receipt.bundle_id), Reader.practice(ClientId("practice")))
    assert bundle is not None
    assert "attester" not in bundle["entry"][0]["resource"]
    outputs = harness.task_history(episode)[-1]["output"]
    assert [one["valueReference"]["reference"] for one in outputs] == [f"DocumentReference/{document['id']}"]


def test_an_ending_gives_one_draft_with_what_follows_from_the_facts(harness: LetterHarness) -> None:
    episode = harness.complete("deteriorated")
    draft = harness.draft(episode, NOW)
    harness.draft(episode, NOW)
    with harness.store.read() as uow:
        assert len(uow.letters.of_episode(episode, LetterKind.DISCHARGE)) == 1
        assert [one.id for one in uow.letters.list_drafts()] == [draft.id]
    assert draft.fields["gp_actions"] == (
        "Please review depression symptoms (PHQ-9), pain catastrophising (PCS) and average pain (BPI) at the next visit."
    )
    assert draft.fields["comment"] == ""


def test_the_reason_for_stopping_is_proposed_as_the_platform_gave_it(harness: LetterHarness) -> None:
    draft = harness.draft(harness.complete("stopped_early"), moment("2026-04-01"))
    assert draft.fields["stop_reason"] == "Moved interstate"
    assert "may be referred again" in draft.fields["gp_actions"]


def test_whatever_a_platform_writes_as_a_reason_a_draft_is_made(harness: LetterHarness) -> None:
    episode = harness.complete("stopped_early")
    with harness.store.begin() as uow:
        found = uow.episodes.get(episode)
        uow.episodes.update(replace(found, end_reason="\u202eMoved\u200b " + "x" * 5000), now=NOW)
    draft = harness.draft(episode, moment("2026-04-01"))
    assert draft.fields["stop_reason"].startswith("Moved")
    assert len(draft.fields["stop_reason"]) <= 1500


def test_a_letter_that_cannot_be_made_leaves_the_others_and_a_work_item_until_it_is(
    harness: LetterHarness, tmp_path: Path
) -> None:
    now = moment("2026-02-12")
    first, second = harness.refer("receipt"), harness.complete("never_started", referred=False)
    (tmp_path / "letter.typ").write_text("#panic()")
    with Typesetter(tmp_path) as broken:
        letter_context = replace(harness.letter_context, typesetter=broken)
        made = draft_due_letters(harness.store, letter_context, now)
    with harness.store.read() as uow:
        assert made == [uow.letters.of_episode(second)[0].id]
    (item,) = harness.open_items("letter-not-made")
    assert (item.episode, item.details["refusal"]) == (first, "LetterNotTypeset")
    assert len(draft_due_letters(harness.store, harness.letter_context, now)) == 1
    assert harness.open_items("letter-not-made") == []


def test_a_decline_takes_effect_when_it_is_signed(harness: LetterHarness) -> None:
    now = moment("2026-02-12")
    episode = harness.refer("decline")
    draft = start_decline(harness.store, harness.letter_context, episode, now)
    assert start_decline(harness.store, harness.letter_context, episode, now) == draft
    assert harness.episode(episode).state is EpisodeState.REFERRED
    with harness.store.begin() as uow:
        uow.letters.edit(
            draft.id, fields={**draft.fields, "stop_reason": "The programme is for adults."}, now=now
        )
    signed = harness.sign(draft, now)
    assert harness.episode(episode).state is EpisodeState.DECLINED
    task = harness.task_history(episode)[-1]
    assert (task["status"], task["statusReason"]) == ("rejected", {"text": "The programme is for adults."})
    assert f"DocumentReference/{signed.document_reference_id}" in [
        one["valueReference"]["reference"] for one in task["output"]
    ]
    assert harness.published(
        "DocumentReference", str(signed.document_reference_id), Reader.practice(ClientId("practice"))
    )


def test_a_declined_referral_is_declined_once_though_its_letter_is_replaced(harness: LetterHarness) -> None:
    now, later = moment("2026-02-12"), moment("2026-02-16")
    episode = harness.refer("decline")
    old = harness.sign(start_decline(harness.store, harness.letter_context, episode, now), now)
    draft = start_replacement(harness.store, harness.letter_context, old.id, later)
    edit_draft(
        harness.store,
        harness.letter_context,
        draft.id,
        {"stop_reason": "The programme is for adults."},
        later,
    )
    with harness.store.read() as uow:
        content = draft_content(uow, harness.letter_context, uow.letters.get(draft.id), later)
    (declined, reason) = [block.text for block in content.sections[0].blocks if isinstance(block, Paragraph)]
    assert declined.endswith("was declined on 12 February 2026.")
    assert reason == "Reason: The programme is for adults."
    new = harness.sign(draft, later)
    after = harness.episode(episode)
    assert (after.state, after.ended_on) == (EpisodeState.DECLINED, now.date())
    with harness.store.read() as uow:
        moves = [move.event for move in uow.episodes.history(episode)]
        assert uow.letters.get(old.id).state is LetterState.REPLACED
    assert moves.count(EpisodeEvent.DECLINE) == 1
    task = harness.task_history(episode)[-1]
    assert (task["status"], task["statusReason"]) == ("rejected", {"text": "The programme is for adults."})
    outputs = [one["valueReference"]["reference"] for one in task["output"]]
    assert outputs[-1] == f"DocumentReference/{new.document_reference_id}"


def test_a_referral_that_was_cancelled_meanwhile_is_not_declined(harness: LetterHarness) -> None:
    now = moment("2026-02-12")
    episode = harness.refer("decline")
    draft = start_decline(harness.store, harness.letter_context, episode, now)
    preview = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, now)
    with harness.store.begin() as uow:
        referred = uow.episodes.get(episode)
        uow.episodes.move(
            referred, EpisodeState.CANCELLED, event=EpisodeEvent.CANCEL, by="client:practice", now=now
        )
    with pytest.raises(MoveNotListed):
        sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, now)
    with harness.store.read() as uow:
        assert uow.letters.get(draft.id).state is LetterState.DRAFT
    with pytest.raises(NothingToDecline):
        start_decline(harness.store, harness.letter_context, episode, now)


def _asked_of_the_gp(harness: LetterHarness, letter: LetterId, now: datetime) -> list[str]:
    """What the draft asks of the GP by the facts of that moment."""
    with harness.store.read() as uow:
        content = draft_content(uow, harness.letter_context, uow.letters.get(letter), now)
    return [
        block.text
        for section in content.sections
        for block in section.blocks
        if section.id == "requests" and isinstance(block, Paragraph)
    ]


USUAL = "Please continue usual care. No action by you is needed for the programme."


def test_a_proposal_of_usual_care_does_not_outlive_the_answers_it_was_proposed_from(
    harness: LetterHarness,
) -> None:
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    edit_draft(harness.store, harness.letter_context, draft.id, {"comment": "She did well."}, NOW)
    assert _asked_of_the_gp(harness, draft.id, NOW) == [USUAL]
    # PHQ-9 from 15 at start to 26: 11 points more, past the 6 of its rule; item 9 is 2.
    harness.answer("pseq_rise", "phq9", "post", "3 3 3 3 3 3 3 3 2", "2026-04-28", amends=True, now=NOW)
    (asked,) = _asked_of_the_gp(harness, draft.id, NOW)
    assert "No action" not in asked
    assert asked == (
        "Please review depression symptoms (PHQ-9) at the next visit. "
        "Please ask about mood and thoughts of self-harm at the next visit."
    )
    with harness.store.begin() as uow:
        (flag,) = uow.flags.list_open()
        acknowledge_flag(uow, harness.publishing, flag.id, by="Dr Robin", action="Called.", now=NOW)
    signed = harness.sign(draft, NOW)
    assert (signed.fields["gp_actions"], signed.fields["comment"]) == (asked, "She did well.")


def test_what_a_clinician_asks_of_the_gp_stays_though_the_facts_move(harness: LetterHarness) -> None:
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    edit_draft(harness.store, harness.letter_context, draft.id, {"gp_actions": "Please call us."}, NOW)
    harness.answer("pseq_rise", "phq9", "post", "3 3 3 3 3 3 3 3 2", "2026-04-28", amends=True, now=NOW)
    assert _asked_of_the_gp(harness, draft.id, NOW) == ["Please call us."]


def test_a_replacement_proposes_by_the_facts_of_its_day(harness: LetterHarness) -> None:
    _, old = harness.signed("pseq_rise")
    assert old.fields["gp_actions"] == USUAL
    harness.answer("pseq_rise", "phq9", "post", "3 3 3 3 3 3 3 3 0", "2026-04-28", amends=True, now=NOW)
    new = start_replacement(harness.store, harness.letter_context, old.id, NOW)
    assert new.fields["gp_actions"] == "Please review depression symptoms (PHQ-9) at the next visit."


@pytest.mark.promise("P14")
def test_a_replacement_supersedes_the_old_letter_and_joins_it_on_the_task(harness: LetterHarness) -> None:
    episode, old = harness.signed("pseq_rise")
    with harness.store.read() as uow:
        old_pdf = uow.letters.pdf(old.id)
    draft = start_replacement(harness.store, harness.letter_context, old.id, NOW)
    assert start_replacement(harness.store, harness.letter_context, old.id, NOW) == draft
    assert (draft.number, draft.replaces, draft.fields) == (2, old.id, old.fields)
    new = harness.sign(draft, moment("2026-05-02"))
    with harness.store.read() as uow:
        assert uow.letters.get(old.id).state is LetterState.REPLACED
        assert uow.letters.pdf(old.id) == old_pdf
    was = harness.published("DocumentReference", str(old.document_reference_id))
    now = harness.published("DocumentReference", str(new.document_reference_id))
    assert was is not None and now is not None
    assert (was["status"], now["status"]) == ("superseded", "current")
    assert b64decode(was["content"][0]["attachment"]["data"]) == old_pdf
    assert now["relatesTo"] == [
        {"code": "replaces", "target": {"reference": f"DocumentReference/{old.document_reference_id}"}}
    ]
    outputs = [one["valueReference"]["reference"] for one in harness.task_history(episode)[-1]["output"]]
    assert f"DocumentReference/{old.document_reference_id}" in outputs
    assert outputs[-1] == f"DocumentReference/{new.document_reference_id}"
    with pytest.raises(NothingToReplace):
        start_replacement(harness.store, harness.letter_context, old.id, NOW)
