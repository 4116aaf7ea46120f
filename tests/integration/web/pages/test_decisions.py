"""Accepting, declining, ending: the listed moves, each with its reason where the letter states one."""

import orjson

from fhir_pmp.store.letters import LetterKind, LetterState
from fhir_pmp.store.readers import Reader
from tests.integration.web.pages.day import Day, Visitor
from tests.integration.web.pages.reading import form, words


def _state(day: Day, name: str) -> str:
    with day.store.read() as books:
        return books.episodes.get(day.episodes[name]).state.value


def _task(day: Day, name: str) -> str:
    with day.store.read() as books:
        task = books.referrals.of_episodes([day.episodes[name]])[day.episodes[name]].task_id
        found = books.published.find(Reader.house(), "Task", task)
    assert found is not None
    return str(orjson.loads(found.content)["status"])


def test_an_accepted_referral_is_seen_by_the_practice_at_once(day: Day, ada: Visitor) -> None:
    referral = day.refer("Willa")
    answer = ada.post(form(ada.get(f"/referrals/{referral}").text, "/accept").action)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/people/{day.people['Willa']}")
    assert (_state(day, "Willa"), _task(day, "Willa")) == ("accepted", "accepted")
    with day.store.read() as books:
        assert books.episodes.history(day.episodes["Willa"])[-1].by == "account:account-ada"
    assert "referral accepted, by Dr Ada Sample" in words(ada.get(f"/people/{day.people['Willa']}").text)


def test_a_referral_is_accepted_once(day: Day, ada: Visitor) -> None:
    referral = day.refer("Willa")
    ada.post(f"/episodes/{day.episodes['Willa']}/accept")
    answer = ada.post(f"/episodes/{day.episodes['Willa']}/accept")
    assert answer.status_code == 409
    assert "An episode that is accepted allows never_start; not accept" in words(answer.text).replace(
        "Episode: a", "A"
    )
    assert "/accept" not in ada.get(f"/referrals/{referral}").text


def test_declining_drafts_a_letter_and_the_referral_waits_for_its_signature(day: Day, ada: Visitor) -> None:
    day.refer("Willa")
    answer = ada.post(f"/episodes/{day.episodes['Willa']}/decline")
    letter = answer.headers["Location"]
    assert _state(day, "Willa") == "referred"
    preview = ada.post(f"{letter}/preview", {"stop_reason": "The programme is for adults."})
    shown = ada.get(preview.headers["Location"])
    assert "The referral is declined with it." in words(shown.text)
    signing = form(shown.text, "/sign")
    assert ada.post(signing.action, signing.fields).status_code == 303
    assert (_state(day, "Willa"), _task(day, "Willa")) == ("declined", "rejected")


def test_declining_twice_goes_on_with_the_same_draft(day: Day, ada: Visitor) -> None:
    day.refer("Willa")
    first = ada.post(f"/episodes/{day.episodes['Willa']}/decline").headers["Location"]
    assert ada.post(f"/episodes/{day.episodes['Willa']}/decline").headers["Location"] == first


def test_a_decline_that_was_begun_is_dropped_by_hand_or_by_accepting(day: Day, ada: Visitor) -> None:
    for name in ("Willa", "Otto"):
        day.refer(name)
    willas = ada.post(f"/episodes/{day.episodes['Willa']}/decline").headers["Location"]
    ada.post(f"/episodes/{day.episodes['Otto']}/decline")
    assert ada.post(f"{willas}/discard").status_code == 303
    ada.post(f"/episodes/{day.episodes['Otto']}/accept")
    with day.store.read() as books:
        assert books.letters.list_drafts() == []
    assert (_state(day, "Willa"), _state(day, "Otto")) == ("referred", "accepted")


def test_an_owed_letter_is_not_dropped(day: Day, ada: Visitor) -> None:
    day.finish("Kofi", "never_started")
    with day.store.read() as books:
        (draft,) = books.letters.list_drafts()
    answer = ada.post(f"/letters/{draft.id}/discard")
    assert answer.status_code == 409
    assert "owed to its practice" in words(answer.text)


def test_stopping_needs_a_reason_and_what_was_chosen_stays(day: Day, ada: Visitor) -> None:
    day.take_part("Nadia", until="start")
    path = f"/episodes/{day.episodes['Nadia']}/end"
    answer = ada.post(path, {"event": "stop", "reason": ""})
    assert answer.status_code == 400
    assert "Give the reason: the letter states it" in words(answer.text)
    assert 'value="stop" checked' in answer.text
    nothing = ada.post(path, {"event": "", "reason": "Moved away"})
    assert "Choose how the episode ends" in words(nothing.text)
    assert form(nothing.text, "/end").fields["reason"] == "Moved away"
    assert _state(day, "Nadia") == "commenced"


def test_an_ended_episode_is_owed_a_letter_that_states_the_reason(day: Day, ada: Visitor) -> None:
    day.take_part("Nadia", until="start")
    answer = ada.post(
        f"/episodes/{day.episodes['Nadia']}/end", {"event": "stop", "reason": "Moved to another city"}
    )
    assert answer.status_code == 303
    assert _state(day, "Nadia") == "stopped"
    day.draft()
    with day.store.read() as books:
        (letter,) = books.letters.of_episode(day.episodes["Nadia"], LetterKind.DISCHARGE)
    assert letter.state is LetterState.DRAFT
    assert "Moved to another city" in words(ada.get(f"/letters/{letter.id}").text)


def test_only_listed_endings_are_offered_and_others_are_refused(day: Day, ada: Visitor) -> None:
    day.take_part("Nadia", until="start")
    page = ada.get(f"/episodes/{day.episodes['Nadia']}/end")
    assert 'value="finish"' in page.text
    assert 'value="never_start"' not in page.text
    answer = ada.post(
        f"/episodes/{day.episodes['Nadia']}/end", {"event": "never_start", "reason": "No answer to calls"}
    )
    assert answer.status_code == 409
    assert "allows finish, stop; not never_start" in words(answer.text)
    assert form(answer.text, "/end").fields["reason"] == "No answer to calls"
