"""An episode moves only as the table says, and its Task only as the AU eRequesting table says."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.errors import NotAllowed
from fhir_pmp.pathway.episode_states import (
    ENDINGS,
    MOVES,
    Actor,
    EpisodeEvent,
    EpisodeOfCareStatus,
    MoveNotListed,
    TaskMoveNotListed,
    TaskStatus,
    episode_of_care_status,
    move,
    moves_from,
    task_status,
    task_steps,
)
from fhir_pmp.pathway.facts import ENDED, EpisodeState
from tests.unit.pathway.examples import EPISODE

# The states and what leads out of them, copied by hand from the design's table.
OUT_OF = {
    None: {"enrol": "enrolled"},
    "referred": {"accept": "accepted", "decline": "declined", "cancel": "cancelled"},
    "accepted": {"enrol": "enrolled", "cancel": "cancelled", "never_start": "never_started"},
    "enrolled": {"commence": "commenced", "never_start": "never_started"},
    "commenced": {"finish": "finished", "stop": "stopped"},
    "declined": {},
    "cancelled": {},
    "finished": {},
    "stopped": {},
    "never_started": {},
}
# fhir.md 1.7, the AU eRequesting table, without on-hold.
AU_TABLE = {
    "requested": {"received", "accepted", "rejected", "cancelled"},
    "received": {"accepted", "rejected", "cancelled"},
    "accepted": {"in-progress", "cancelled"},
    "in-progress": {"completed", "failed"},
    "rejected": set(),
    "cancelled": set(),
    "completed": set(),
    "failed": set(),
}
STATES: list[EpisodeState | None] = [None, *EpisodeState]


def words(state: EpisodeState | None) -> str | None:
    return None if state is None else state.value


@pytest.mark.parametrize("event", EpisodeEvent)
@pytest.mark.parametrize("state", STATES)
def test_every_state_meets_every_event_as_the_table_says(
    state: EpisodeState | None, event: EpisodeEvent
) -> None:
    expected = OUT_OF[words(state)].get(event.value)
    if expected is not None:
        assert move(state, event) == expected
    else:
        with pytest.raises(MoveNotListed):
            move(state, event)


def test_a_refusal_names_the_moves_that_are_listed() -> None:
    with pytest.raises(
        NotAllowed, match="that is accepted allows cancel, enrol, never_start; not finish"
    ) as refusal:
        move(EpisodeState.ACCEPTED, EpisodeEvent.FINISH)
    assert refusal.value.faults[0].field == "episode"


def test_an_ended_episode_says_that_no_move_is_left() -> None:
    with pytest.raises(MoveNotListed, match="that is stopped allows no move; not finish"):
        move(EpisodeState.STOPPED, EpisodeEvent.FINISH)


def test_an_episode_that_has_not_begun_can_only_be_enrolled() -> None:
    with pytest.raises(MoveNotListed, match="has not begun allows enrol; not accept"):
        move(None, EpisodeEvent.ACCEPT)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_episode_has_no_move(state: EpisodeState) -> None:
    assert moves_from(state) == ()


def test_a_clinician_accepts_declines_and_ends_and_moves_nothing_else() -> None:
    manual = {(line.before, line.event) for line in MOVES if Actor.CLINICIAN in line.by}
    assert manual == {
        (EpisodeState.REFERRED, EpisodeEvent.ACCEPT),
        (EpisodeState.REFERRED, EpisodeEvent.DECLINE),
        (EpisodeState.ACCEPTED, EpisodeEvent.NEVER_START),
        (EpisodeState.ENROLLED, EpisodeEvent.NEVER_START),
        (EpisodeState.COMMENCED, EpisodeEvent.FINISH),
        (EpisodeState.COMMENCED, EpisodeEvent.STOP),
    }


def test_the_gp_cancels_before_in_progress_and_moves_nothing_else() -> None:
    theirs = {(line.before, line.event) for line in MOVES if Actor.GP in line.by}
    assert theirs == {
        (EpisodeState.REFERRED, EpisodeEvent.CANCEL),
        (EpisodeState.ACCEPTED, EpisodeEvent.CANCEL),
    }


def test_the_gp_may_not_do_what_a_clinician_may() -> None:
    assert move(EpisodeState.REFERRED, EpisodeEvent.ACCEPT, Actor.CLINICIAN) is EpisodeState.ACCEPTED
    with pytest.raises(MoveNotListed, match="allows cancel; not accept"):
        move(EpisodeState.REFERRED, EpisodeEvent.ACCEPT, Actor.GP)


def test_the_endings_are_the_events_that_owe_a_discharge_letter() -> None:
    assert {line.after for line in MOVES if line.event in ENDINGS} == {
        EpisodeState.FINISHED,
        EpisodeState.STOPPED,
        EpisodeState.NEVER_STARTED,
    }


@pytest.mark.parametrize(
    ("state", "unsigned", "signed", "care"),
    [
        ("referred", "received", "received", "planned"),
        ("accepted", "accepted", "accepted", "planned"),
        ("declined", "rejected", "rejected", "cancelled"),
        ("cancelled", "cancelled", "cancelled", "cancelled"),
        ("enrolled", "in-progress", "in-progress", "active"),
        ("commenced", "in-progress", "in-progress", "active"),
        ("finished", "in-progress", "completed", "finished"),
        ("stopped", "in-progress", "completed", "finished"),
        ("never_started", "in-progress", "failed", "cancelled"),
    ],
)
def test_task_and_episode_of_care_follow_the_state_and_the_signature(
    state: str, unsigned: str, signed: str, care: str
) -> None:
    episode = replace(EPISODE, state=EpisodeState(state))
    assert task_status(episode, letter_signed=False) == TaskStatus(unsigned)
    assert task_status(episode, letter_signed=True) == TaskStatus(signed)
    assert episode_of_care_status(episode) == EpisodeOfCareStatus(care)


@given(st.lists(st.sampled_from(EpisodeEvent), max_size=12))
def test_whatever_happens_the_task_takes_only_listed_steps(events: list[EpisodeEvent]) -> None:
    state = EpisodeState.REFERRED
    status = follow(TaskStatus.REQUESTED, state, letter_signed=False)  # as the GP sent it
    for event in events:
        try:
            state = move(state, event)
        except MoveNotListed:
            continue
        status = follow(status, state, letter_signed=False)
    if state in ENDED:
        assert AU_TABLE[follow(status, state, letter_signed=True).value] == set()


def follow(before: TaskStatus, state: EpisodeState, *, letter_signed: bool) -> TaskStatus:
    for step in task_steps(before, task_status(replace(EPISODE, state=state), letter_signed)):
        assert step.value in AU_TABLE[before.value]
        before = step
    return before


def test_an_accepted_person_who_never_starts_fails_through_in_progress() -> None:
    assert task_steps(TaskStatus.ACCEPTED, TaskStatus.FAILED) == (TaskStatus.IN_PROGRESS, TaskStatus.FAILED)


def test_a_task_that_stays_takes_no_step() -> None:
    assert task_steps(TaskStatus.RECEIVED, TaskStatus.RECEIVED) == ()


@pytest.mark.parametrize("after", [TaskStatus.CANCELLED, TaskStatus.REJECTED, TaskStatus.REQUESTED])
def test_a_task_in_progress_is_neither_cancelled_nor_rejected_nor_asked_again(after: TaskStatus) -> None:
    with pytest.raises(TaskMoveNotListed, match=f"in-progress does not become {after.value}"):
        task_steps(TaskStatus.IN_PROGRESS, after)
