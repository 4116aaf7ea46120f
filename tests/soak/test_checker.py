"""The checker is tried itself: for each promise histories that break it are refused, and good ones pass."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.soak.checker import RULES, judge
from tests.soak.checks.names import Names
from tests.soak.history import (
    Acknowledged,
    Asked,
    Committed,
    Consented,
    Content,
    Died,
    Done,
    Emptied,
    Ended,
    Event,
    Final,
    Forgiven,
    History,
    Kept,
    Leased,
    Stood,
    Stopped,
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


def committed(at: int, seq: int, reference: str, version: int, content: Content, **more: Any) -> Committed:
    values: dict[str, Any] = {"event": at, "person": "p1", "record": True, "shared": True, **more}
    return Committed(at=at, seq=seq, reference=reference, version=version, content=content, **values)


def asked(
    at: int, until: int | None = None, *, clock: float = 0.0, status: int | None = 200, **more: Any
) -> Asked:
    values: dict[str, Any] = {
        "process": 1, "method": "POST", "path": "", "outcome": "answered", "after_seconds": None, "seen": True, **more,
    }  # fmt: skip
    return Asked(at=at, until=until or at + 1, clock=clock, clock_until=clock, status=status, **values)


def stood(at: int, place: str, version: int, content: Content | None, by: int | None) -> Stood:
    return Stood(at, place, version, content, by)


def sent(seq: int, reference: str, version: int, state: str = "sent") -> Final:
    return Final(seq, reference, version, state, None)


def story(*more: Event, **values: Any) -> History:
    """A person, a response and its score arrive; the response is amended and arrives again. Then what is given."""
    events: list[Event] = [
        Consented(1, "p1", True),
        committed(2, 1, PATIENT, 1, patient()),
        committed(4, 2, RESPONSE, 1, response(1)),
        committed(4, 3, SCORE, 1, score()),
        Kept(4, frozenset({"r1"}), frozenset({"r1"})),
        stood(11, PATIENT, 1, patient(), 10),
        stood(11, RESPONSE, 1, response(1), 10),
        stood(11, SCORE, 1, score(), 10),
        asked(10, 12),
        committed(20, 4, RESPONSE, 2, response(2)),
        Ended(20, 2, "superseded"),
        stood(31, RESPONSE, 2, response(2), 30),
        asked(30, 32),
        *more,
    ]
    deliveries = [
        sent(1, PATIENT, 1),
        sent(2, RESPONSE, 1, "superseded"),
        sent(3, SCORE, 1),
        sent(4, RESPONSE, 2),
    ]
    return replace(History(events=events, deliveries=deliveries), **values)


def without(history: History, *kinds: Any, **changed: Any) -> History:
    """The same without what a test takes out."""
    return replace(history, events=[event for event in history.events if event not in kinds], **changed)


def in_place(history: History, was: Event, now: Event) -> History:
    """The same with one event another."""
    assert was in history.events
    return replace(history, events=[now if event == was else event for event in history.events])


def ends(
    history: History, number: int, state: str, *items: tuple[str, str], reason: str | None = None
) -> History:
    """The same with one delivery standing elsewhere at the end, and work items open."""
    changed = list(history.deliveries)
    changed[number] = replace(changed[number], state=state, reason=reason)
    return replace(history, deliveries=changed, work_items=frozenset(items))


def failures(*clocks: float, status: int | None = 503, after: float | None = None) -> list[Event]:
    """Requests that fail at these moments of our clock."""
    outcome = "lost" if status is None else "answered"
    return [
        asked(100 + 10 * n, clock=clock, status=status, after_seconds=after, outcome=outcome)
        for n, clock in enumerate(clocks)
    ]


THEIR_PATIENT = patient(id="h1", active=True)
OF_THEIRS = response(2, subject={"reference": "Patient/h1"})


def theirs(there: Content) -> History:
    """A hospital that keeps its own patients, and a response of ours about one of them."""
    return History(
        theirs=True,
        events=[
            committed(2, 1, PATIENT, 1, patient()),
            committed(3, 2, RESPONSE, 1, response(2)),
            stood(5, "Patient/h1", 1, there, None),
            Ended(9, 1, "not_wanted"),
            stood(11, RESPONSE, 1, OF_THEIRS, 10),
        ],
        deliveries=[sent(1, PATIENT, 1, "not_wanted"), sent(2, RESPONSE, 1)],
    )


def edited() -> History:
    """Somebody there edited the response, and our next version of it is for a person."""
    history = story(stood(34, RESPONSE, 3, response(9), None), committed(35, 5, RESPONSE, 3, response(3)))
    deliveries = [*history.deliveries, sent(5, RESPONSE, 3, "dead")]
    return replace(history, deliveries=deliveries, work_items=frozenset({DEAD_ITEM}))


def ids_come_again() -> History:
    """A server that names resources itself was emptied, and gave the id of one response to another."""
    other = response(7, id="r2", identifier={"system": "urn:response", "value": "r2"})
    there = {"subject": {"reference": "Patient/1"}}
    first, second = response(2, **there), {**other, **there}
    return History(
        named_by_server=True,
        events=[
            committed(2, 1, PATIENT, 1, patient()),
            committed(3, 2, RESPONSE, 1, response(2)),
            committed(4, 3, "QuestionnaireResponse/r2", 1, other),
            stood(11, "Patient/1", 1, patient(), 10),
            stood(11, "QuestionnaireResponse/2", 1, first, 10),
            stood(11, "QuestionnaireResponse/3", 1, second, 10),
            Emptied(20),
            stood(31, "Patient/1", 1, patient(), 30),
            stood(31, "QuestionnaireResponse/2", 1, second, 30),
            stood(31, "QuestionnaireResponse/3", 1, first, 30),
        ],
        deliveries=[sent(1, PATIENT, 1), sent(2, RESPONSE, 1), sent(3, "QuestionnaireResponse/r2", 1)],
        reconciled=True,
    )


def and_then(history: History, *more: Event) -> History:
    """The same with what happened after it."""
    return replace(history, events=[*history.events, *more])


def lost_there(*more: Event) -> History:
    """The EHR was emptied, and an amended score arrives where its response stands no more."""
    amended = score(status="amended")
    history = story(Emptied(40), committed(41, 5, SCORE, 2, amended), *more, stood(51, SCORE, 1, amended, 50))
    return replace(history, deliveries=[*history.deliveries, sent(5, SCORE, 2)])


ANOTHERS = patient(id="h1", active=True, identifier=[{"system": "urn:medicare", "value": "m2"}])

GOOD: dict[str, Callable[[], History]] = {
    "all is delivered": story,
    "the first five failures come at once, then half of a doubling span apart": lambda: story(
        *failures(0, 0, 0, 0, 0, 1.0, 3.0, 7.0)
    ),
    "a lane is taken when its lease has run out, or was given back, and who took it last acknowledges": lambda: story(
        Leased(40, 1, "p1", 100.0, None),
        Leased(41, 2, "p1", 280.0, 280.0),
        Acknowledged(42, 2, "p1", 3),
        Leased(43, 1, "p1", 281.0, None),
        Leased(44, 2, "p2", 281.0, None),
        Acknowledged(45, 1, "p1", 4),
    ),
    "a lane is given back and taken again in one commit": lambda: story(
        Leased(40, 1, "p1", 100.0, None), Leased(41, 1, "p1", 101.0, 280.0), Acknowledged(42, 1, "p1", 3)
    ),
    "an operator lets it be called again": lambda: story(
        *failures(0, after=600.0), Forgiven(105), *failures(0, 0)[1:]
    ),
    "a process that died could not write down what it was asked to": lambda: story(
        asked(100, 101, status=429, after_seconds=600.0), Died(103, 1), asked(110, clock=1.0)
    ),
    "a process with the answer in its hands, paused, has told nobody to wait yet": lambda: story(
        asked(100, status=504, after_seconds=600.0), asked(110, clock=1.0, process=2), Done(113, 1)
    ),
    "a process that is killed after a pause could not write it down either": lambda: story(
        asked(100, status=504, after_seconds=600.0),
        asked(110, clock=1.0, process=2),
        Died(113, 1),
        asked(120, clock=2.0, process=2),
    ),
    "a process that was to end may have cut off its own calls": lambda: story(
        *failures(0, 0, 0, 0, 0, 0, status=None), Stopped(170, 1)
    ),
    "a first write that was stopped in its call is mended": lambda: in_place(
        story(stood(35, RESPONSE, 3, response(1), 9), stood(41, RESPONSE, 4, response(2), 40)),
        stood(11, SCORE, 1, score(), 10), stood(12, SCORE, 1, score(), 10),
    ),
    "somebody edited it after us": lambda: story(stood(40, RESPONSE, 3, response(9), None)),
    "somebody edited it, and ours is dead with a work item": edited,
    "it gave way to a version that the consent does not cover": lambda: in_place(
        without(story(), stood(31, RESPONSE, 2, response(2), 30), deliveries=story().deliveries[:3]),
        committed(20, 4, RESPONSE, 2, response(2)),
        committed(20, 4, RESPONSE, 2, response(2), shared=False),
    ),
    "what is dead waits for a decision who the person is there": lambda: ends(
        story(), 3, "dead", DEAD_ITEM, ("patient_link_lost", "destination/hospital/person/p1")
    ),
    "the consent ended and what came after is withheld": lambda: story(
        Consented(40, "p1", False), committed(41, 5, SCORE, 2, score(status="amended"), shared=False)
    ),
    "what would put it right stays here, since the consent ended": lambda: ends(
        story(Consented(40, "p1", False)), 3, "dead", DEAD_ITEM
    ),
    "an emptied server gives ids to others of ours": ids_come_again,
    "nobody told us what an emptied server lost": lost_there,
    "the hospital's own patient is the person": lambda: theirs(THEIR_PATIENT),
}  # fmt: skip

BROKEN: list[tuple[str, str, Callable[[], History]]] = [
    ("no_loss", "never queued", lambda: replace(story(), deliveries=story().deliveries[:3])),
    ("no_loss", "left pending", lambda: ends(story(), 3, "pending")),
    ("no_loss", "left in flight", lambda: ends(story(), 3, "in_flight")),
    ("no_loss", "dead without a work item", lambda: ends(story(), 3, "dead")),
    ("no_loss", "dead without a cause", lambda: ends(story(), 3, "dead", DEAD_ITEM)),
    ("no_loss", "said to be edited, and only what it refers to was", lambda: ends(
        story(stood(40, RESPONSE, 3, response(9), None)), 2, "dead", ("edited_at_destination", f"delivery/hospital/{SCORE}"),
        reason="edited at the destination",
    )),
    ("no_loss", "waiting for nothing", lambda: ends(story(), 3, "waiting")),
    ("no_loss", "withheld under consent", lambda: ends(story(), 3, "withheld")),
    ("no_loss", "not wanted by whom takes it", lambda: ends(story(), 3, "not_wanted")),
    ("no_loss", "gave way to a version that was never queued", lambda: without(
        story(), stood(31, RESPONSE, 2, response(2), 30), deliveries=story().deliveries[:3])),
    ("no_loss", "gave way to nothing", lambda: without(ends(story(), 2, "superseded"), stood(11, SCORE, 1, score(), 10))),
    ("no_loss", "counts as sent and never stood", lambda: without(story(), stood(31, RESPONSE, 2, response(2), 30))),
    ("no_loss", "ended on an older version", lambda: story(stood(41, RESPONSE, 3, response(1), 40))),
    ("nothing_twice", "one identifier in two places", lambda: story(stood(41, "Observation/other", 1, score(), 40))),
    ("no_going_back", "an older version over a newer", lambda: story(stood(41, RESPONSE, 3, response(1), 40))),
    ("no_going_back", "a later write that was stopped in its call", lambda: story(
        stood(35, RESPONSE, 3, response(1), 12)
    )),
    ("no_loss", "a first write that was stopped in its call is not mended", lambda: story(
        stood(35, RESPONSE, 3, response(1), 9)
    )),
    ("no_going_back", "what was never committed", lambda: story(stood(41, RESPONSE, 3, response(7), 40))),
    ("nothing_overwritten", "over an edit of theirs", lambda: story(
        stood(40, RESPONSE, 3, response(9), None), stood(51, RESPONSE, 4, response(2), 50)
    )),
    ("nothing_overwritten", "brought back what they deleted", lambda: story(
        stood(40, SCORE, 2, None, None), stood(51, SCORE, 3, score(), 50)
    )),
    ("nothing_overwritten", "over a stranger's, who was given the id", lambda: story(
        Emptied(40), stood(41, RESPONSE, 1, response(9, identifier={"system": "urn:another", "value": "1"}), None),
        stood(51, RESPONSE, 2, response(2), 50)
    )),
    ("no_going_back", "it refers to an id that is a stranger's by now", lambda: and_then(
        ids_come_again(), Emptied(40), stood(41, "Patient/1", 1, ANOTHERS, None),
        stood(51, "QuestionnaireResponse/4", 1, response(2, subject={"reference": "Patient/1"}), 50)
    )),
    ("right_patient", "their id was given to somebody else", lambda: and_then(
        theirs(THEIR_PATIENT), Emptied(40), stood(41, "Patient/h1", 1, ANOTHERS, None),
        stood(51, RESPONSE, 1, OF_THEIRS, 50)
    )),
    ("right_patient", "their id was given to nobody yet", lambda: and_then(
        theirs(THEIR_PATIENT), Emptied(40), stood(51, RESPONSE, 1, OF_THEIRS, 50)
    )),
    ("order_per_person", "a later response before an earlier", lambda: story(
        committed(40, 5, "Observation/s2", 1, score(id="s2", identifier=[{"system": "urn:score", "value": "s2"}], derivedFrom=[])),
        committed(41, 6, "Observation/s3", 1, score(id="s3", identifier=[{"system": "urn:score", "value": "s3"}], derivedFrom=[])),
        stood(51, "Observation/s3", 1, score(id="s3", identifier=[{"system": "urn:score", "value": "s3"}], derivedFrom=[]), 50),
        stood(61, "Observation/s2", 1, score(id="s2", identifier=[{"system": "urn:score", "value": "s2"}], derivedFrom=[]), 60),
    )),
    ("targets_first", "a score before its response", lambda: in_place(
        story(), stood(11, RESPONSE, 1, response(1), 10), stood(14, RESPONSE, 1, response(1), 13)
    )),
    ("targets_first", "a score before its response, which we were told is lost", lambda: lost_there(
        asked(45, method="GET", path=RESPONSE, status=404)
    )),
    ("right_patient", "another birth date", lambda: theirs(patient("1901-01-01", id="h1", active=True))),
    ("right_patient", "not active", lambda: theirs(patient(id="h1", active=False))),
    ("right_patient", "another person's record", lambda: theirs(
        patient(id="h1", active=True, identifier=[{"system": "urn:medicare", "value": "m2"}])
    )),
    ("right_patient", "our own patient is another", lambda: story(
        stood(41, RESPONSE, 3, response(2, subject={"reference": "Patient/p2"}), 40)
    )),
    ("only_with_consent", "a request after the withdrawal", lambda: story(
        committed(40, 5, SCORE, 2, score(status="amended")), Consented(42, "p1", False),
        stood(51, SCORE, 2, score(status="amended"), 50),
    )),
    ("spares_the_sick", "a sixth call at once", lambda: story(*failures(0, 0, 0, 0, 0, 0.5))),
    ("spares_the_sick", "an eighth call too soon", lambda: story(*failures(0, 0, 0, 0, 0, 1.0, 3.0, 6.0))),
    ("spares_the_sick", "Retry-After not obeyed", lambda: story(*failures(0, 599.0, after=600.0))),
    ("spares_the_sick", "Retry-After not obeyed by another", lambda: story(
        asked(100, status=504, after_seconds=600.0), Done(105, 1), asked(110, clock=1.0, process=2))),
    ("spares_the_sick", "Retry-After not obeyed by another while who was told it goes on", lambda: story(
        asked(100, status=504, after_seconds=600.0), asked(105, clock=600.0, status=503), asked(110, clock=1.0, process=2))),
    ("flag_with_its_response", "a response at risk without its flag", lambda: story(Kept(40, frozenset({"r1"}), frozenset()))),
    ("one_holder", "a lane is taken while another's lease runs", lambda: story(
        Leased(40, 1, "p1", 100.0, None), Leased(41, 2, "p1", 279.0, 280.0))),
    ("one_holder", "an answer counts that came after the lane was taken anew", lambda: story(
        Leased(40, 1, "p1", 100.0, None), Leased(41, 2, "p1", 300.0, 280.0), Acknowledged(42, 1, "p1", 3))),
    ("one_holder", "an answer counts of one who never had the lane", lambda: story(Acknowledged(40, 1, "p1", 3))),
    ("acts_are_audited", "a replay without an audit row", lambda: History(acted=1)),
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_passes(name: str) -> None:
    assert judge(GOOD[name]()) == []


@pytest.mark.parametrize(
    ("rule", "how", "history"), BROKEN, ids=[f"{rule}: {how}" for rule, how, _ in BROKEN]
)
def test_a_history_that_breaks_a_promise_is_refused(
    rule: str, how: str, history: Callable[[], History]
) -> None:
    broken = history()
    assert judge(broken)
    # It is this rule that refuses it, whatever else is wrong with it too.
    assert list(RULES[rule](broken, Names(broken)))


def test_every_rule_has_a_history_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


def test_what_an_empty_ehr_lost_is_not_judged_as_an_older_version() -> None:
    again: list[Event] = [
        Emptied(40),
        stood(51, PATIENT, 1, patient(), 50),
        stood(51, RESPONSE, 1, response(2), 50),
        stood(51, SCORE, 1, score(), 50),
    ]
    assert judge(story(*again)) == []
