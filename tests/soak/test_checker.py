"""The checker is tried itself: for each promise histories that break it are refused, and good ones pass."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.soak.checks.checker import RULES, check_history
from tests.soak.checks.resource_matching import ResourceMatcher
from tests.soak.history import (
    BackoffCleared,
    ConsentChanged,
    Content,
    DeliveryAcknowledged,
    DeliveryStateChanged,
    EhrEmptied,
    FinalDelivery,
    History,
    HistoryEvent,
    LaneClaimed,
    ProcessContinued,
    ProcessKilled,
    ProcessStopped,
    RemoteVersionStored,
    RequestMade,
    SafetyRowsChanged,
    VersionCommitted,
)

PATIENT, RESPONSE, SCORE = "Patient/p1", "QuestionnaireResponse/r1", "Observation/s1"
DEAD_ITEM = ("delivery_refused", f"delivery/hospital/{RESPONSE}")


def patient(born: str = "1970-01-02", **more: Any) -> Content:
    return {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": "urn:medicare", "value": "m1"}],
        "birthDate": born,
        **more,
    }


def response(answer: int = 1, **more: Any) -> Content:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "r1",
        "identifier": {"system": "urn:response", "value": "r1"},
        "subject": {"reference": PATIENT},
        "item": [{"linkId": "1", "answer": [{"valueInteger": answer}]}],
        **more,
    }


def score(**more: Any) -> Content:
    return {
        "resourceType": "Observation",
        "id": "s1",
        "identifier": [{"system": "urn:score", "value": "s1"}],
        "subject": {"reference": PATIENT},
        "derivedFrom": [{"reference": RESPONSE}],
        **more,
    }


def version_committed(
    at: int, seq: int, reference: str, version: int, content: Content, **more: Any
) -> VersionCommitted:
    values: dict[str, Any] = {"event": at, "person": "p1", "is_record": True, "is_shared": True, **more}
    return VersionCommitted(at=at, seq=seq, reference=reference, version=version, content=content, **values)


def request_made(
    at: int, until: int | None = None, *, clock: float = 0.0, status: int | None = 200, **more: Any
) -> RequestMade:
    values: dict[str, Any] = {
        "process": 1, "method": "POST", "path": "", "call_result": "answered", "after_seconds": None, "reached_ehr": True, **more,
    }  # fmt: skip
    return RequestMade(at=at, until=until or at + 1, clock=clock, clock_until=clock, status=status, **values)


def remote_version(
    at: int, remote_reference: str, version: int, content: Content | None, by: int | None
) -> RemoteVersionStored:
    return RemoteVersionStored(at, remote_reference, version, content, by)


def final_delivery(seq: int, reference: str, version: int, state: str = "sent") -> FinalDelivery:
    return FinalDelivery(seq, reference, version, state, None)


def delivered_history(*more: HistoryEvent, **values: Any) -> History:
    """A person, a response and its score arrive; the response is amended and arrives again. Then what is given."""
    events: list[HistoryEvent] = [
        ConsentChanged(1, "p1", True),
        version_committed(2, 1, PATIENT, 1, patient()),
        version_committed(4, 2, RESPONSE, 1, response(1)),
        version_committed(4, 3, SCORE, 1, score()),
        SafetyRowsChanged(4, frozenset({"r1"}), frozenset({"r1"})),
        remote_version(11, PATIENT, 1, patient(), 10),
        remote_version(11, RESPONSE, 1, response(1), 10),
        remote_version(11, SCORE, 1, score(), 10),
        request_made(10, 12),
        version_committed(20, 4, RESPONSE, 2, response(2)),
        DeliveryStateChanged(20, 2, "superseded"),
        remote_version(31, RESPONSE, 2, response(2), 30),
        request_made(30, 32),
        *more,
    ]
    deliveries = [
        final_delivery(1, PATIENT, 1),
        final_delivery(2, RESPONSE, 1, "superseded"),
        final_delivery(3, SCORE, 1),
        final_delivery(4, RESPONSE, 2),
    ]
    return replace(History(events=events, deliveries=deliveries), **values)


def without_events(history: History, *kinds: Any, **changed: Any) -> History:
    """The same without what a test takes out."""
    return replace(history, events=[event for event in history.events if event not in kinds], **changed)


def replace_event(history: History, was: HistoryEvent, now: HistoryEvent) -> History:
    """The same with one event another."""
    assert was in history.events
    return replace(history, events=[now if event == was else event for event in history.events])


def with_final_state(
    history: History, number: int, state: str, *items: tuple[str, str], reason: str | None = None
) -> History:
    """The same with one delivery standing elsewhere at the end, and work items open."""
    changed = list(history.deliveries)
    changed[number] = replace(changed[number], state=state, reason=reason)
    return replace(history, deliveries=changed, work_items=frozenset(items))


def failures(*clocks: float, status: int | None = 503, after: float | None = None) -> list[HistoryEvent]:
    """Requests that fail at these moments of our clock."""
    call_result = "lost" if status is None else "answered"
    return [
        request_made(100 + 10 * n, clock=clock, status=status, after_seconds=after, call_result=call_result)
        for n, clock in enumerate(clocks)
    ]


HOSPITAL_PATIENT = patient(id="h1", active=True)
ABOUT_HOSPITAL_PATIENT = response(2, subject={"reference": "Patient/h1"})


def theirs(there: Content) -> History:
    """A hospital that keeps its own patients, and a response of ours about one of them."""
    return History(
        theirs=True,
        events=[
            version_committed(2, 1, PATIENT, 1, patient()),
            version_committed(3, 2, RESPONSE, 1, response(2)),
            remote_version(5, "Patient/h1", 1, there, None),
            DeliveryStateChanged(9, 1, "not_wanted"),
            remote_version(11, RESPONSE, 1, ABOUT_HOSPITAL_PATIENT, 10),
        ],
        deliveries=[final_delivery(1, PATIENT, 1, "not_wanted"), final_delivery(2, RESPONSE, 1)],
    )


def edited() -> History:
    """Somebody there edited the response, and our next version of it is for a person."""
    history = delivered_history(
        remote_version(34, RESPONSE, 3, response(9), None), version_committed(35, 5, RESPONSE, 3, response(3))
    )
    deliveries = [*history.deliveries, final_delivery(5, RESPONSE, 3, "dead")]
    return replace(history, deliveries=deliveries, work_items=frozenset({DEAD_ITEM}))


def ids_reassigned_after_restart() -> History:
    """A server that names resources itself was emptied, and gave the id of one response to another."""
    other = response(7, id="r2", identifier={"system": "urn:response", "value": "r2"})
    there = {"subject": {"reference": "Patient/1"}}
    first, second = response(2, **there), {**other, **there}
    return History(
        named_by_server=True,
        events=[
            version_committed(2, 1, PATIENT, 1, patient()),
            version_committed(3, 2, RESPONSE, 1, response(2)),
            version_committed(4, 3, "QuestionnaireResponse/r2", 1, other),
            remote_version(11, "Patient/1", 1, patient(), 10),
            remote_version(11, "QuestionnaireResponse/2", 1, first, 10),
            remote_version(11, "QuestionnaireResponse/3", 1, second, 10),
            EhrEmptied(20),
            remote_version(31, "Patient/1", 1, patient(), 30),
            remote_version(31, "QuestionnaireResponse/2", 1, second, 30),
            remote_version(31, "QuestionnaireResponse/3", 1, first, 30),
        ],
        deliveries=[
            final_delivery(1, PATIENT, 1),
            final_delivery(2, RESPONSE, 1),
            final_delivery(3, "QuestionnaireResponse/r2", 1),
        ],
        is_reconciled=True,
    )


def append_events(history: History, *more: HistoryEvent) -> History:
    """The same with what happened after it."""
    return replace(history, events=[*history.events, *more])


def lost_at_ehr(*more: HistoryEvent) -> History:
    """The EHR was emptied, and an amended score arrives where its response stands no more."""
    amended = score(status="amended")
    history = delivered_history(
        EhrEmptied(40),
        version_committed(41, 5, SCORE, 2, amended),
        *more,
        remote_version(51, SCORE, 1, amended, 50),
    )
    return replace(history, deliveries=[*history.deliveries, final_delivery(5, SCORE, 2)])


ANOTHER_PERSONS_PATIENT = patient(
    id="h1", active=True, identifier=[{"system": "urn:medicare", "value": "m2"}]
)

GOOD_HISTORIES: dict[str, Callable[[], History]] = {
    "all is delivered": delivered_history,
    "the first five failures come at once, then half of a doubling span apart": lambda: delivered_history(
        *failures(0, 0, 0, 0, 0, 1.0, 3.0, 7.0)
    ),
    "a lane is taken when its lease has run out, or was given back, and who took it last acknowledges": lambda: delivered_history(
        LaneClaimed(40, 1, "p1", 100.0, None),
        LaneClaimed(41, 2, "p1", 280.0, 280.0),
        DeliveryAcknowledged(42, 2, "p1", 3),
        LaneClaimed(43, 1, "p1", 281.0, None),
        LaneClaimed(44, 2, "p2", 281.0, None),
        DeliveryAcknowledged(45, 1, "p1", 4),
    ),
    "a lane is given back and taken again in one commit": lambda: delivered_history(
        LaneClaimed(40, 1, "p1", 100.0, None), LaneClaimed(41, 1, "p1", 101.0, 280.0), DeliveryAcknowledged(42, 1, "p1", 3)
    ),
    "an operator lets it be called again": lambda: delivered_history(
        *failures(0, after=600.0), BackoffCleared(105), *failures(0, 0)[1:]
    ),
    "a process that died could not write down what it was asked to": lambda: delivered_history(
        request_made(100, 101, status=429, after_seconds=600.0), ProcessKilled(103, 1), request_made(110, clock=1.0)
    ),
    "a process with the answer in its hands, paused, has told nobody to wait yet": lambda: delivered_history(
        request_made(100, status=504, after_seconds=600.0), request_made(110, clock=1.0, process=2), ProcessContinued(113, 1)
    ),
    "a process that is killed after a pause could not write it down either": lambda: delivered_history(
        request_made(100, status=504, after_seconds=600.0),
        request_made(110, clock=1.0, process=2),
        ProcessKilled(113, 1),
        request_made(120, clock=2.0, process=2),
    ),
    "a process that was to end may have cut off its own calls": lambda: delivered_history(
        *failures(0, 0, 0, 0, 0, 0, status=None), ProcessStopped(170, 1)
    ),
    "a first write that was stopped in its call is mended": lambda: replace_event(
        delivered_history(remote_version(35, RESPONSE, 3, response(1), 9), remote_version(41, RESPONSE, 4, response(2), 40)),
        remote_version(11, SCORE, 1, score(), 10), remote_version(12, SCORE, 1, score(), 10),
    ),
    "somebody edited it after us": lambda: delivered_history(remote_version(40, RESPONSE, 3, response(9), None)),
    "somebody edited it, and ours is dead with a work item": edited,
    "it gave way to a version that the consent does not cover": lambda: replace_event(
        without_events(delivered_history(), remote_version(31, RESPONSE, 2, response(2), 30), deliveries=delivered_history().deliveries[:3]),
        version_committed(20, 4, RESPONSE, 2, response(2)),
        version_committed(20, 4, RESPONSE, 2, response(2), is_shared=False),
    ),
    "what is dead waits for a decision who the person is there": lambda: with_final_state(
        delivered_history(), 3, "dead", DEAD_ITEM, ("patient_link_lost", "destination/hospital/person/p1")
    ),
    "the consent ended and what came after is withheld": lambda: delivered_history(
        ConsentChanged(40, "p1", False), version_committed(41, 5, SCORE, 2, score(status="amended"), is_shared=False)
    ),
    "what would put it right stays here, since the consent ended": lambda: with_final_state(
        delivered_history(ConsentChanged(40, "p1", False)), 3, "dead", DEAD_ITEM
    ),
    "an emptied server gives ids to others of ours": ids_reassigned_after_restart,
    "nobody told us what an emptied server lost": lost_at_ehr,
    "the hospital's own patient is the person": lambda: theirs(HOSPITAL_PATIENT),
}  # fmt: skip

BROKEN_HISTORIES: list[tuple[str, str, Callable[[], History]]] = [
    ("no_loss", "never queued", lambda: replace(delivered_history(), deliveries=delivered_history().deliveries[:3])),
    ("no_loss", "left pending", lambda: with_final_state(delivered_history(), 3, "pending")),
    ("no_loss", "left in flight", lambda: with_final_state(delivered_history(), 3, "in_flight")),
    ("no_loss", "dead without a work item", lambda: with_final_state(delivered_history(), 3, "dead")),
    ("no_loss", "dead without a cause", lambda: with_final_state(delivered_history(), 3, "dead", DEAD_ITEM)),
    ("no_loss", "said to be edited, and only what it refers to was", lambda: with_final_state(
        delivered_history(remote_version(40, RESPONSE, 3, response(9), None)), 2, "dead", ("edited_at_destination", f"delivery/hospital/{SCORE}"),
        reason="edited at the destination",
    )),
    ("no_loss", "waiting for nothing", lambda: with_final_state(delivered_history(), 3, "waiting")),
    ("no_loss", "withheld under consent", lambda: with_final_state(delivered_history(), 3, "withheld")),
    ("no_loss", "not wanted by whom takes it", lambda: with_final_state(delivered_history(), 3, "not_wanted")),
    ("no_loss", "gave way to a version that was never queued", lambda: without_events(
        delivered_history(), remote_version(31, RESPONSE, 2, response(2), 30), deliveries=delivered_history().deliveries[:3])),
    ("no_loss", "gave way to nothing", lambda: without_events(with_final_state(delivered_history(), 2, "superseded"), remote_version(11, SCORE, 1, score(), 10))),
    ("no_loss", "counts as sent and never stood", lambda: without_events(delivered_history(), remote_version(31, RESPONSE, 2, response(2), 30))),
    ("no_loss", "ended on an older version", lambda: delivered_history(remote_version(41, RESPONSE, 3, response(1), 40))),
    ("no_duplicates", "one identifier in two places", lambda: delivered_history(remote_version(41, "Observation/other", 1, score(), 40))),
    ("no_version_rollback", "an older version over a newer", lambda: delivered_history(remote_version(41, RESPONSE, 3, response(1), 40))),
    ("no_version_rollback", "a later write that was stopped in its call", lambda: delivered_history(
        remote_version(35, RESPONSE, 3, response(1), 12)
    )),
    ("no_loss", "a first write that was stopped in its call is not mended", lambda: delivered_history(
        remote_version(35, RESPONSE, 3, response(1), 9)
    )),
    ("no_version_rollback", "what was never committed", lambda: delivered_history(remote_version(41, RESPONSE, 3, response(7), 40))),
    ("no_foreign_edit_overwritten", "over an edit of theirs", lambda: delivered_history(
        remote_version(40, RESPONSE, 3, response(9), None), remote_version(51, RESPONSE, 4, response(2), 50)
    )),
    ("no_foreign_edit_overwritten", "brought back what they deleted", lambda: delivered_history(
        remote_version(40, SCORE, 2, None, None), remote_version(51, SCORE, 3, score(), 50)
    )),
    ("no_foreign_edit_overwritten", "over a stranger's, who was given the id", lambda: delivered_history(
        EhrEmptied(40), remote_version(41, RESPONSE, 1, response(9, identifier={"system": "urn:another", "value": "1"}), None),
        remote_version(51, RESPONSE, 2, response(2), 50)
    )),
    ("no_version_rollback", "it refers to an id that is a stranger's by now", lambda: append_events(
        ids_reassigned_after_restart(), EhrEmptied(40), remote_version(41, "Patient/1", 1, ANOTHER_PERSONS_PATIENT, None),
        remote_version(51, "QuestionnaireResponse/4", 1, response(2, subject={"reference": "Patient/1"}), 50)
    )),
    ("right_patient", "their id was given to somebody else", lambda: append_events(
        theirs(HOSPITAL_PATIENT), EhrEmptied(40), remote_version(41, "Patient/h1", 1, ANOTHER_PERSONS_PATIENT, None),
        remote_version(51, RESPONSE, 1, ABOUT_HOSPITAL_PATIENT, 50)
    )),
    ("right_patient", "their id was given to nobody yet", lambda: append_events(
        theirs(HOSPITAL_PATIENT), EhrEmptied(40), remote_version(51, RESPONSE, 1, ABOUT_HOSPITAL_PATIENT, 50)
    )),
    ("order_per_person", "a later response before an earlier", lambda: delivered_history(
        version_committed(40, 5, "Observation/s2", 1, score(id="s2", identifier=[{"system": "urn:score", "value": "s2"}], derivedFrom=[])),
        version_committed(41, 6, "Observation/s3", 1, score(id="s3", identifier=[{"system": "urn:score", "value": "s3"}], derivedFrom=[])),
        remote_version(51, "Observation/s3", 1, score(id="s3", identifier=[{"system": "urn:score", "value": "s3"}], derivedFrom=[]), 50),
        remote_version(61, "Observation/s2", 1, score(id="s2", identifier=[{"system": "urn:score", "value": "s2"}], derivedFrom=[]), 60),
    )),
    ("referenced_resources_first", "a score before its response", lambda: replace_event(
        delivered_history(), remote_version(11, RESPONSE, 1, response(1), 10), remote_version(14, RESPONSE, 1, response(1), 13)
    )),
    ("referenced_resources_first", "a score before its response, which we were told is lost", lambda: lost_at_ehr(
        request_made(45, method="GET", path=RESPONSE, status=404)
    )),
    ("right_patient", "another birth date", lambda: theirs(patient("1901-01-01", id="h1", active=True))),
    ("right_patient", "not active", lambda: theirs(patient(id="h1", active=False))),
    ("right_patient", "another person's record", lambda: theirs(
        patient(id="h1", active=True, identifier=[{"system": "urn:medicare", "value": "m2"}])
    )),
    ("right_patient", "our own patient is another", lambda: delivered_history(
        remote_version(41, RESPONSE, 3, response(2, subject={"reference": "Patient/p2"}), 40)
    )),
    ("only_with_consent", "a request after the withdrawal", lambda: delivered_history(
        version_committed(40, 5, SCORE, 2, score(status="amended")), ConsentChanged(42, "p1", False),
        remote_version(51, SCORE, 2, score(status="amended"), 50),
    )),
    ("backs_off_from_failing_ehr", "a sixth call at once", lambda: delivered_history(*failures(0, 0, 0, 0, 0, 0.5))),
    ("backs_off_from_failing_ehr", "an eighth call too soon", lambda: delivered_history(*failures(0, 0, 0, 0, 0, 1.0, 3.0, 6.0))),
    ("backs_off_from_failing_ehr", "Retry-After not obeyed", lambda: delivered_history(*failures(0, 599.0, after=600.0))),
    ("backs_off_from_failing_ehr", "Retry-After not obeyed by another", lambda: delivered_history(
        request_made(100, status=504, after_seconds=600.0), ProcessContinued(105, 1), request_made(110, clock=1.0, process=2))),
    ("backs_off_from_failing_ehr", "Retry-After not obeyed by another while who was told it goes on", lambda: delivered_history(
        request_made(100, status=504, after_seconds=600.0), request_made(105, clock=600.0, status=503), request_made(110, clock=1.0, process=2))),
    ("flag_with_its_response", "a response at risk without its flag", lambda: delivered_history(SafetyRowsChanged(40, frozenset({"r1"}), frozenset()))),
    ("one_lease_holder_per_lane", "a lane is taken while another's lease runs", lambda: delivered_history(
        LaneClaimed(40, 1, "p1", 100.0, None), LaneClaimed(41, 2, "p1", 279.0, 280.0))),
    ("one_lease_holder_per_lane", "an answer counts that came after the lane was taken anew", lambda: delivered_history(
        LaneClaimed(40, 1, "p1", 100.0, None), LaneClaimed(41, 2, "p1", 300.0, 280.0), DeliveryAcknowledged(42, 1, "p1", 3))),
    ("one_lease_holder_per_lane", "an answer counts of one who never had the lane", lambda: delivered_history(DeliveryAcknowledged(40, 1, "p1", 3))),
    ("replays_are_audited", "a replay without an audit row", lambda: History(replay_count=1)),
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD_HISTORIES)
def test_a_good_history_passes(name: str) -> None:
    assert check_history(GOOD_HISTORIES[name]()) == []


@pytest.mark.parametrize(
    ("rule", "how", "history"), BROKEN_HISTORIES, ids=[f"{rule}: {how}" for rule, how, _ in BROKEN_HISTORIES]
)
def test_a_history_that_breaks_a_promise_is_refused(
    rule: str, how: str, history: Callable[[], History]
) -> None:
    broken = history()
    assert check_history(broken)
    # It is this rule that refuses it, whatever else is wrong with it too.
    assert list(RULES[rule](broken, ResourceMatcher(broken)))


def test_every_rule_has_a_history_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN_HISTORIES} == set(RULES)


def test_what_an_empty_ehr_lost_is_not_judged_as_an_older_version() -> None:
    again: list[HistoryEvent] = [
        EhrEmptied(40),
        remote_version(51, PATIENT, 1, patient(), 50),
        remote_version(51, RESPONSE, 1, response(2), 50),
        remote_version(51, SCORE, 1, score(), 50),
    ]
    assert check_history(delivered_history(*again)) == []
