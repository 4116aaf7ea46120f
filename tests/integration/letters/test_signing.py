"""A clinician signs exactly what was shown, on the day it was shown, and only while it is true."""

from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.documentreference import DocumentReference

from fhir_pmp.identifiers import ClientId, LetterId
from fhir_pmp.letters.lifecycle.drafting import draft_content, edit_draft
from fhir_pmp.letters.lifecycle.signing import (
    FactsChanged,
    FlagNotAcknowledged,
    MayNotSign,
    NoRecipient,
    NotADraft,
    PreviewExpired,
    PreviewNotCurrent,
    preview_letter,
    sign_letter,
)
from fhir_pmp.letters.text.letter_facts import FieldNotPrintable
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.store.clinical.letters import LetterState
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored
from fhir_pmp.store.versions.read_scope import Reader
from tests.conftest import require_part
from tests.integration.letters.letter_harness import LetterHarness, moment
from tests.spec.letters.pdf_text import find_poppler, text_of

NOW = moment("2026-04-30")
OWN, OTHER = Reader.practice(ClientId("practice")), Reader.practice(ClientId("other"))


@pytest.mark.promise("P14")
def test_a_signed_letter_is_the_previewed_bytes_and_ends_the_task(harness: LetterHarness) -> None:
    episode = harness.complete("pseq_rise")
    draft = harness.draft(episode, NOW)
    preview = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    assert harness.task_history(episode)[-1]["status"] == "in-progress"

    later = NOW + timedelta(minutes=5)
    signed = sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, later)

    assert signed.state is LetterState.SIGNED
    assert signed.signed_at == later
    with harness.store.read() as uow:
        assert uow.letters.pdf(signed.id) == preview.pdf
    document = harness.published("DocumentReference", str(signed.document_reference_id))
    assert document is not None
    assert b64decode(document["content"][0]["attachment"]["data"]) == preview.pdf
    assert sha256(preview.pdf).hexdigest() == preview.hash == signed.pdf_hash
    task = harness.task_history(episode)[-1]
    assert task["status"] == "completed"
    outputs = [one["valueReference"]["reference"] for one in task["output"]]
    assert outputs[-1] == f"DocumentReference/{signed.document_reference_id}"


def test_the_document_is_complete_says_what_the_pdf_says_and_bears_the_moment_of_signing(
    harness: LetterHarness,
) -> None:
    _, signed = harness.signed("item9_positive")
    bundle = harness.published("Bundle", str(signed.bundle_id))
    document = harness.published("DocumentReference", str(signed.document_reference_id))
    assert bundle is not None and document is not None
    Bundle.model_validate(bundle)
    DocumentReference.model_validate(document)
    composition = bundle["entry"][0]["resource"]
    assert composition["resourceType"] == "Composition"
    assert composition["attester"][0]["time"] == "2026-04-30T00:00:00.000Z"
    author = composition["attester"][0]["party"]["reference"]
    inside = {
        f"{e['resource']['resourceType']}/{e['resource']['id']}": e["resource"] for e in bundle["entry"]
    }
    assert inside[author]["name"] == [{"text": "Dr Robin Example"}]
    sections = {section["title"]: section for section in composition["section"]}
    assert sections["Safety"]["code"]["coding"][0]["code"] == "104605-1"
    assert "more than half the days (2)" in sections["Safety"]["text"]["div"]
    assert sections["What we ask of you"]["code"]["coding"][0]["code"] == "18776-5"
    assert {e["reference"].partition("/")[0] for e in sections["Safety"]["entry"]} == {"Observation", "Flag"}
    assert (
        "Of 6 measures: 3 improved, 3 unchanged, 0 worsened, 0 not known."
        in sections["Result"]["text"]["div"]
    )


def test_every_line_of_the_document_stands_in_the_pdf(harness: LetterHarness, tmp_path: Path) -> None:
    require_part(find_poppler)
    _, signed = harness.signed("item9_blank")
    bundle = harness.published("Bundle", str(signed.bundle_id))
    assert bundle is not None
    with harness.store.read() as uow:
        printed = " ".join(text_of(uow.letters.pdf(signed.id), tmp_path))
    lines = [
        " ".join("".join(element.itertext()).split())
        for section in bundle["entry"][0]["resource"]["section"]
        for element in ElementTree.fromstring(section["text"]["div"]).iter()
        if element.tag.rpartition("}")[2] in ("p", "li", "td", "th")
    ]
    assert len(lines) > 100
    # A measure's name and its range stand on two lines in print.
    assert [line for line in lines if line not in printed and not line.endswith("is better)")] == []


def test_the_referring_practice_reads_the_letter_and_no_other_does(harness: LetterHarness) -> None:
    _, signed = harness.signed("pseq_rise")
    assert harness.published("DocumentReference", str(signed.document_reference_id), OWN) is not None
    assert harness.published("Bundle", str(signed.bundle_id), OWN) is not None
    assert harness.published("DocumentReference", str(signed.document_reference_id), OTHER) is None
    assert harness.published("Bundle", str(signed.bundle_id), OTHER) is None


@pytest.mark.promise("P12")
def test_without_consent_the_task_ends_and_the_letter_stays_in_the_house(harness: LetterHarness) -> None:
    episode, signed = harness.signed("pseq_rise", share=False)
    task = harness.task_history(episode)[-1]
    assert task["status"] == "completed"
    documents = [one["valueReference"]["reference"] for one in task.get("output", [])]
    assert f"DocumentReference/{signed.document_reference_id}" not in documents
    assert harness.published("DocumentReference", str(signed.document_reference_id), OWN) is None
    assert harness.published("DocumentReference", str(signed.document_reference_id)) is not None


def test_a_person_who_never_started_fails_the_task_through_in_progress(harness: LetterHarness) -> None:
    episode, _ = harness.signed("never_started")
    statuses = [task["status"] for task in harness.task_history(episode)]
    assert statuses[-2:] == ["in-progress", "failed"]
    assert harness.task_history(episode)[-1]["statusReason"] == {"text": "No answer to three calls"}


def test_somebody_nobody_referred_gets_a_letter_to_the_practice_the_platform_names(
    harness: LetterHarness,
) -> None:
    episode, signed = harness.signed("deteriorated", referred=False)
    assert harness.episode(episode).referral is None
    document = harness.published("DocumentReference", str(signed.document_reference_id))
    assert document is not None
    assert document["status"] == "current"


def test_signing_the_same_again_is_the_same_letter(harness: LetterHarness) -> None:
    episode = harness.complete("pseq_rise")
    draft = harness.draft(episode, NOW)
    preview = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    first = sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, NOW)
    again = sign_letter(
        harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, NOW + timedelta(days=2)
    )
    assert again == first
    assert len(harness.task_history(episode)[-1]["output"]) == len(
        {o["valueReference"]["reference"] for o in harness.task_history(episode)[-1]["output"]}
    )


def test_an_administrator_may_not_preview_or_sign(harness: LetterHarness) -> None:
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    preview = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    with pytest.raises(MayNotSign):
        preview_letter(harness.store, harness.letter_context, draft.id, harness.admin, NOW)
    with pytest.raises(MayNotSign):
        sign_letter(harness.store, harness.letter_context, draft.id, harness.admin, preview.hash, NOW)


def test_a_preview_is_its_clinicians_own_and_only_the_newest_counts(harness: LetterHarness) -> None:
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    old = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    other = replace(harness.robin, id="other-clinician", name="Dr Other Example")
    with pytest.raises(PreviewNotCurrent):
        sign_letter(harness.store, harness.letter_context, draft.id, other, old.hash, NOW)
    again = preview_letter(
        harness.store, harness.letter_context, draft.id, harness.robin, NOW + timedelta(minutes=1)
    )
    assert again.hash == old.hash  # the same facts on the same day give the same bytes
    edit_draft(harness.store, harness.letter_context, draft.id, {"comment": "Another word."}, NOW)
    new = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    assert new.hash != old.hash
    with pytest.raises(PreviewNotCurrent):
        sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, old.hash, NOW)
    with pytest.raises(PreviewNotCurrent):
        sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, "0" * 64, NOW)


def test_a_draft_nobody_previewed_cannot_be_signed(harness: LetterHarness) -> None:
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    with pytest.raises(PreviewNotCurrent):
        sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, "", NOW)


def test_an_edited_draft_is_previewed_again(harness: LetterHarness) -> None:
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    preview = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    edited = edit_draft(harness.store, harness.letter_context, draft.id, {"comment": "She did well."}, NOW)
    assert edited.fields == {**draft.fields, "comment": "She did well."}
    with pytest.raises(PreviewNotCurrent):
        sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, NOW)


def test_a_preview_expires_at_midnight_of_the_clinic(harness: LetterHarness) -> None:
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    late = moment("2026-04-30", 23, 59)
    preview = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, late)
    with pytest.raises(PreviewExpired):
        sign_letter(
            harness.store,
            harness.letter_context,
            draft.id,
            harness.robin,
            preview.hash,
            late + timedelta(minutes=2),
        )
    assert (
        sign_letter(
            harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, late
        ).signed_at
        == late
    )


def test_a_fact_that_changed_since_the_preview_stops_the_signature_and_shows_the_new_draft(
    harness: LetterHarness,
) -> None:
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    preview = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    harness.answer("pseq_rise", "phq9", "post", "2 2 2 2 2 2 2 1 0", "2026-04-28", amends=True, now=NOW)
    with pytest.raises(FactsChanged):
        sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, NOW)
    with pytest.raises(PreviewNotCurrent):
        sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, NOW)
    with harness.store.read() as uow:
        shown = draft_content(uow, harness.letter_context, uow.letters.get(draft.id), NOW)
    # PHQ-9 15 -> 15 now: unchanged, so 4 improved and 2 unchanged.
    assert "Of 6 measures: 4 improved, 2 unchanged" in str(shown.page_one)
    assert harness.sign(draft, NOW).state is LetterState.SIGNED


def test_a_fact_the_letter_does_not_state_stops_nothing(harness: LetterHarness) -> None:
    episode = harness.complete("pseq_rise")
    draft = harness.draft(episode, NOW)
    preview = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    with harness.store.begin() as uow:
        uow.episodes.set_consent(uow.episodes.get(episode), False, by="source:redcap-wide", now=NOW)
    signed = sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, NOW)
    assert signed.state is LetterState.SIGNED


def test_an_amendment_that_changes_no_score_is_still_stated_and_stops_the_signature(
    harness: LetterHarness,
) -> None:
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    preview = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    # The difficulty item belongs to the form and to no scale; that the form was amended stands beside the score.
    harness.answer("pseq_rise", "phq9", "post", "1 1 1 1 1 1 1 0 0 2", "2026-04-28", amends=True, now=NOW)
    with pytest.raises(FactsChanged):
        sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, NOW)


@pytest.mark.promise("P9")
def test_an_unacknowledged_flag_stops_the_signature(harness: LetterHarness) -> None:
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    harness.answer("pseq_rise", "phq9", "post", "1 1 1 1 1 1 1 0 1", "2026-04-28", amends=True, now=NOW)
    preview = preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    with pytest.raises(FlagNotAcknowledged):
        sign_letter(harness.store, harness.letter_context, draft.id, harness.robin, preview.hash, NOW)


def test_a_letter_without_a_recipient_waits_and_a_work_item_says_so(harness: LetterHarness) -> None:
    episode = harness.complete("pseq_rise", referred=False)
    with harness.store.begin() as uow:
        found = uow.episodes.get(episode)
        uow.episodes.update(replace(found, practice=None), now=NOW)
    draft = harness.draft(episode, NOW)
    with pytest.raises(NoRecipient):
        preview_letter(harness.store, harness.letter_context, draft.id, harness.robin, NOW)
    assert [item.episode for item in harness.open_items("letter-without-recipient")] == [episode]
    with harness.store.begin() as uow:
        uow.episodes.update(found, now=NOW)
    harness.sign(draft, NOW)
    assert harness.open_items("letter-without-recipient") == []


@pytest.mark.promise("P14")
def test_a_signed_letter_is_neither_edited_nor_previewed_again(harness: LetterHarness) -> None:
    episode, signed = harness.signed("pseq_rise")
    with pytest.raises(ChangedMeanwhile):
        edit_draft(harness.store, harness.letter_context, signed.id, {"comment": "x"}, NOW)
    with pytest.raises(NotADraft):
        preview_letter(harness.store, harness.letter_context, signed.id, harness.robin, NOW)
    assert harness.episode(episode).state is EpisodeState.FINISHED


def test_an_unknown_letter_and_an_unknown_field_are_told_by_name(harness: LetterHarness) -> None:
    with pytest.raises(NotStored):
        preview_letter(harness.store, harness.letter_context, LetterId("letter-none"), harness.robin, NOW)
    draft = harness.draft(harness.complete("pseq_rise"), NOW)
    with pytest.raises(FieldNotPrintable):
        edit_draft(harness.store, harness.letter_context, draft.id, {"signature": "me"}, NOW)
