"""Accepting, declining, ending: the listed moves, each with its reason where the letter states one."""

import orjson

from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.store.clinical.letters import LetterState
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.web.pages.clinic_harness import ClinicHarness, FormBrowser
from tests.integration.web.pages.html_reader import find_form, visible_text


def _state(harness: ClinicHarness, name: str) -> str:
    with harness.store.read() as uow:
        return uow.episodes.get(harness.episodes[name]).state.value


def _task(harness: ClinicHarness, name: str) -> str:
    with harness.store.read() as uow:
        task = uow.referrals.of_episodes([harness.episodes[name]])[harness.episodes[name]].task_id
        found = uow.published.find(Reader.internal(), "Task", task)
    assert found is not None
    return str(orjson.loads(found.content)["status"])


def test_an_accepted_referral_is_seen_by_the_practice_at_once(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    referral = harness.refer("Willa")
    answer = clinician.post(find_form(clinician.get(f"/referrals/{referral}").text, "/accept").action)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/people/{harness.people['Willa']}")
    assert (_state(harness, "Willa"), _task(harness, "Willa")) == ("accepted", "accepted")
    with harness.store.read() as uow:
        assert uow.episodes.history(harness.episodes["Willa"])[-1].by == "account:account-ada"
    assert "referral accepted, by Dr Ada Sample" in visible_text(
        clinician.get(f"/people/{harness.people['Willa']}").text
    )


def test_a_referral_is_accepted_once(harness: ClinicHarness, clinician: FormBrowser) -> None:
    referral = harness.refer("Willa")
    clinician.post(f"/episodes/{harness.episodes['Willa']}/accept")
    answer = clinician.post(f"/episodes/{harness.episodes['Willa']}/accept")
    assert answer.status_code == 409
    assert "An episode that is accepted allows never_start; not accept" in visible_text(answer.text).replace(
        "Episode: a", "A"
    )
    assert "/accept" not in clinician.get(f"/referrals/{referral}").text


def test_declining_drafts_a_letter_and_the_referral_waits_for_its_signature(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.refer("Willa")
    answer = clinician.post(f"/episodes/{harness.episodes['Willa']}/decline")
    letter = answer.headers["Location"]
    assert _state(harness, "Willa") == "referred"
    preview = clinician.post(f"{letter}/preview", {"stop_reason": "The programme is for adults."})
    shown = clinician.get(preview.headers["Location"])
    assert "Signing also declines the referral." in visible_text(shown.text)
    signing = find_form(shown.text, "/sign")
    assert clinician.post(signing.action, signing.fields).status_code == 303
    assert (_state(harness, "Willa"), _task(harness, "Willa")) == ("declined", "rejected")


def test_declining_twice_goes_on_with_the_same_draft(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.refer("Willa")
    first = clinician.post(f"/episodes/{harness.episodes['Willa']}/decline").headers["Location"]
    assert clinician.post(f"/episodes/{harness.episodes['Willa']}/decline").headers["Location"] == first


def test_a_decline_that_was_begun_is_dropped_by_hand_or_by_accepting(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    for name in ("Willa", "Otto"):
        harness.refer(name)
    willas = clinician.post(f"/episodes/{harness.episodes['Willa']}/decline").headers["Location"]
    clinician.post(f"/episodes/{harness.episodes['Otto']}/decline")
    assert clinician.post(f"{willas}/discard").status_code == 303
    clinician.post(f"/episodes/{harness.episodes['Otto']}/accept")
    with harness.store.read() as uow:
        assert uow.letters.list_drafts() == []
    assert (_state(harness, "Willa"), _state(harness, "Otto")) == ("referred", "accepted")


def test_an_owed_letter_is_not_dropped(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.finish("Kofi", "never_started")
    with harness.store.read() as uow:
        (draft,) = uow.letters.list_drafts()
    answer = clinician.post(f"/letters/{draft.id}/discard")
    assert answer.status_code == 409
    assert "owed to its practice" in visible_text(answer.text)


def test_stopping_needs_a_reason_and_what_was_chosen_stays(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    path = f"/episodes/{harness.episodes['Nadia']}/end"
    answer = clinician.post(path, {"event": "stop", "reason": ""})
    assert answer.status_code == 400
    assert "Enter the reason; the letter states it" in visible_text(answer.text)
    assert 'value="stop" checked' in answer.text
    nothing = clinician.post(path, {"event": "", "reason": "Moved away"})
    assert "Choose how the episode ends" in visible_text(nothing.text)
    assert find_form(nothing.text, "/end").fields["reason"] == "Moved away"
    assert _state(harness, "Nadia") == "commenced"


def test_an_ended_episode_is_owed_a_letter_that_states_the_reason(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    answer = clinician.post(
        f"/episodes/{harness.episodes['Nadia']}/end", {"event": "stop", "reason": "Moved to another city"}
    )
    assert answer.status_code == 303
    assert _state(harness, "Nadia") == "stopped"
    harness.draft()
    with harness.store.read() as uow:
        (letter,) = uow.letters.of_episode(harness.episodes["Nadia"], LetterKind.DISCHARGE)
    assert letter.state is LetterState.DRAFT
    assert "Moved to another city" in visible_text(clinician.get(f"/letters/{letter.id}").text)


def test_only_listed_endings_are_offered_and_others_are_refused(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    page = clinician.get(f"/episodes/{harness.episodes['Nadia']}/end")
    assert 'value="finish"' in page.text
    assert 'value="never_start"' not in page.text
    answer = clinician.post(
        f"/episodes/{harness.episodes['Nadia']}/end", {"event": "never_start", "reason": "No answer to calls"}
    )
    assert answer.status_code == 409
    assert "allows finish, stop; not never_start" in visible_text(answer.text)
    assert find_form(answer.text, "/end").fields["reason"] == "No answer to calls"
