"""Responses keep their answers, scores and moments exactly; a flag ends by acknowledgement alone."""

from dataclasses import replace
from datetime import date

import msgspec
import pytest

from fhir_pmp.identifiers import EpisodeId, FlagId, LinkId, ResponseId
from fhir_pmp.pathway.facts import Moment, ResponseStatus
from fhir_pmp.store import Store
from fhir_pmp.store.clinical.flags import AlreadyAcknowledged
from fhir_pmp.store.clinical.responses import KnownResponse, NewResponse
from fhir_pmp.store.errors import AlreadyStored, ChangedMeanwhile
from tests.integration.store.sample_records import MINUTE, NOW, SCORES, add_person, flag, recorded, response

EPISODE = EpisodeId("episode-1")


def test_a_response_comes_back_with_exact_scores_and_its_moment_as_written(store: Store) -> None:
    dated = replace(recorded(2), response=response(2, authored=Moment("2026-01-07", date(2026, 1, 7), None)))
    with store.begin() as uow:
        add_person(uow, 1)
        uow.responses.add_many([recorded(1), dated], now=NOW)
    with store.read() as uow:
        first, second = uow.responses.of_episode(EPISODE)
        assert (first.response, first.scores, first.recorded_at) == (response(1), SCORES, NOW)
        assert second.response == dated.response


@pytest.mark.promise("P6")
def test_known_responses_tell_a_repeat_from_an_amendment(store: Store) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        uow.responses.add(recorded(1), now=NOW)
        known = uow.responses.find_known([ResponseId("response-1"), ResponseId("response-2")])
        assert known == {"response-1": KnownResponse(1, ResponseStatus.COMPLETED, "hash-1")}


def test_a_response_id_is_kept_once(store: Store) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        uow.responses.add(recorded(1), now=NOW)
    with pytest.raises(AlreadyStored), store.begin() as uow:
        uow.responses.add_many([recorded(2), recorded(1)], now=NOW)
    with store.read() as uow:
        assert set(uow.responses.find_known([ResponseId("response-1"), ResponseId("response-2")])) == {
            "response-1"
        }


def test_an_amendment_replaces_answers_and_scores_and_only_of_the_version_it_saw(store: Store) -> None:
    amended = msgspec.structs.replace(
        response(1), version=2, status=ResponseStatus.AMENDED, answers={LinkId("peg-1"): 3}
    )
    new = NewResponse(amended, SCORES[:1], "hash-1b")
    with store.begin() as uow:
        add_person(uow, 1)
        uow.responses.add(recorded(1), now=NOW)
        uow.responses.replace(new, expected_version=1, now=NOW)
        found = uow.responses.get(amended.id)
        assert (found.response, found.scores) == (amended, SCORES[:1])
        with pytest.raises(ChangedMeanwhile):
            uow.responses.replace(new, expected_version=1, now=NOW)


def test_a_withdrawn_response_is_left_out_unless_asked_for(store: Store) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        uow.responses.add_many([recorded(1), recorded(2)], now=NOW)
        withdrawn = uow.responses.withdraw(response(1), by="redcap", reason="wrong person", now=NOW)
        assert (withdrawn.status, withdrawn.version) == (ResponseStatus.ENTERED_IN_ERROR, 2)
        assert [r.response.id for r in uow.responses.of_episode(EPISODE)] == ["response-2"]
        kept = uow.responses.of_episode(EPISODE, withdrawn=True)
        assert [(r.response.id, r.withdrawn_reason) for r in kept] == [
            ("response-1", "wrong person"),
            ("response-2", None),
        ]


def test_many_episodes_are_read_at_once(store: Store) -> None:
    people = range(1, 8)
    with store.begin() as uow:
        for n in people:
            add_person(uow, n)
        uow.responses.add_many([recorded(10 * n + k, of=n) for n in people for k in range(3)], now=NOW)
        found = uow.responses.of_episodes([EpisodeId(f"episode-{n}") for n in people])
        assert {episode: len(of) for episode, of in found.items()} == {f"episode-{n}": 3 for n in people}


@pytest.mark.promise("P9")
def test_only_an_acknowledgement_makes_a_flag_inactive_and_the_first_one_stands(store: Store) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        uow.responses.add_many([recorded(1), recorded(2)], now=NOW)
        uow.flags.add_many([flag(2), flag(1)])
        assert uow.flags.list_open() == [flag(1), flag(2)]
        done = uow.flags.acknowledge(FlagId("flag-1"), by="Dr A", action="phoned", now=NOW + MINUTE)
        assert done.acknowledgement is not None
        assert (done.acknowledgement.by, done.acknowledgement.at) == ("Dr A", NOW + MINUTE)
        assert uow.flags.list_open() == [flag(2)]
        with pytest.raises(AlreadyAcknowledged):
            uow.flags.acknowledge(FlagId("flag-1"), by="Dr B", action="x", now=NOW)
        assert uow.flags.get(FlagId("flag-1")) == done
        assert uow.flags.of_episodes([EPISODE]) == {EPISODE: [done, flag(2)]}
        assert uow.flags.of_responses([ResponseId("response-2")]) == {"response-2": [flag(2)]}
