"""F12 to F18, F27: what happens to a request or to its answer on the way, before the EHR stored it and after."""

import time
from collections.abc import Callable

import pytest

from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.ehr.transport.client import Limits
from tests.fault_injection.body_edits import drop_members
from tests.fault_injection.fault_proxy import Call, InjectedFault, first_where, is_write, is_write_containing
from tests.faults.fault_scenario import FaultScenario
from tests.integration.ehr.sync_harness import destination

OPERATION_OUTCOME = (
    b'{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"}]}'
)
FIRST_WRITE_OR_UPDATE = pytest.mark.parametrize("first", [True, False], ids=["first write", "update"])


def is_write_of_first_score(scenario: FaultScenario) -> Callable[[Call], bool]:
    """Chooses writes that carry the first person's first score."""
    return is_write_containing(f"score-{scenario.first}-1".encode())


def inject_once(scenario: FaultScenario, fault: InjectedFault, *, first: bool) -> None:
    """Two people; the fault happens once, to the transaction with the first person's scores."""
    scenario.publish_people()
    if not first:
        scenario.harness.push_until_quiet()
        scenario.correct_scores(ks=(1, 2))
    scenario.proxy.plan = first_where(is_write_of_first_score(scenario), fault)
    scenario.harness.push()


def unsent(scenario: FaultScenario) -> set[tuple[str, bool]]:
    return {
        (d.state.value, d.may_have_arrived) for d in scenario.harness.deliveries() if d.state.value != "sent"
    }


def assert_settled_without_duplicate(scenario: FaultScenario, *, first: bool) -> None:
    """It may have arrived, so it is unknown; then it is settled, and it had one effect."""
    assert unsent(scenario) == {("pending", True)}
    assert scenario.harness.push_until_quiet()["dead"] == 0
    scenario.assert_all_delivered_once(versions=1 if first else None)
    assert scenario.ehr.versions(scenario.score_reference) == (1 if first else 2)
    # What the EHR stored of this person it stored once: the repeat was a look, not a write.
    text = f"score-{scenario.first}-1".encode()
    assert len([s for s in scenario.proxy.stored_calls() if text in s.body]) == (1 if first else 2)


@FIRST_WRITE_OR_UPDATE
def test_f12_a_reset_before_the_ehr_stored_it_is_tried_again(scenario: FaultScenario, first: bool) -> None:
    inject_once(scenario, InjectedFault("reset before commit", reset_before=True), first=first)
    assert {state for state, _ in unsent(scenario)} == {"pending"}
    assert scenario.harness.push_until_quiet()["dead"] == 0
    scenario.assert_all_delivered_once(versions=1 if first else None)
    assert scenario.ehr.versions(scenario.score_reference) == (1 if first else 2)


@pytest.mark.promise("P2")
@FIRST_WRITE_OR_UPDATE
def test_f13_a_reset_after_the_ehr_stored_it_is_unknown_then_settled_once(
    scenario_also_on_hapi: FaultScenario, first: bool
) -> None:
    scenario = scenario_also_on_hapi
    inject_once(scenario, InjectedFault("reset after commit", reset_after=True), first=first)
    assert_settled_without_duplicate(scenario, first=first)


@pytest.mark.promise("P2")
@FIRST_WRITE_OR_UPDATE
def test_f14_an_answer_that_comes_too_late_is_unknown_then_settled_once(
    scenario_also_on_hapi: FaultScenario, first: bool
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people(1, after=5)
    scenario.harness.push_until_quiet()
    scenario.set_call_limits(Limits(connect=2.0, between_bytes=1.0, whole_call=8.0))
    inject_once(scenario, InjectedFault("late", wait_after=1.5), first=first)
    assert_settled_without_duplicate(scenario, first=first)


@pytest.mark.promise("P7")
def test_f15_an_answer_that_drips_is_ended_at_the_limit_of_the_call(
    scenario_also_on_hapi: FaultScenario,
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people(1, after=5)
    scenario.harness.push_until_quiet()
    # Each byte comes well within the time-out of a read: only the limit on the whole call ends it.
    scenario.set_call_limits(Limits(connect=2.0, between_bytes=2.0, whole_call=2.5))
    drip = InjectedFault("drip", drip_seconds=0.2, override_body=lambda body: body[:45])
    scenario.publish_people(1)
    scenario.proxy.plan = first_where(is_write_of_first_score(scenario), drip)
    began = time.monotonic()
    scenario.harness.push()
    assert time.monotonic() - began < 2.5 + 3, "the answer itself would have taken nine seconds"
    assert_settled_without_duplicate(scenario, first=True)


@pytest.mark.promise("P2")
@FIRST_WRITE_OR_UPDATE
@pytest.mark.parametrize("length", [0, 200])
def test_f16_a_cut_answer_under_its_true_length_is_unknown_then_settled_once(
    scenario_also_on_hapi: FaultScenario, length: int, first: bool
) -> None:
    scenario = scenario_also_on_hapi
    inject_once(scenario, InjectedFault("truncated", truncate_to=length), first=first)
    assert_settled_without_duplicate(scenario, first=first)


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><title>Sign in</title>",
        b"",
        OPERATION_OUTCOME,
        b'{"resourceType":"Bundle","entry":[]}',
        b"[1,",
    ],
    ids=["a page", "nothing", "another type", "no entries", "half of JSON"],
)
@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_f17_a_success_that_says_something_else_is_unknown_then_settled_once(
    scenario_also_on_hapi: FaultScenario, body: bytes, alone: bool
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people()
    scenario.harness.push_until_quiet()
    scenario.correct_scores(ks=(1,) if alone else (1, 2))
    scenario.proxy.plan = first_where(
        is_write_of_first_score(scenario), InjectedFault("another body", override_body=lambda _: body)
    )
    scenario.harness.push()
    assert_settled_without_duplicate(scenario, first=False)


@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_f17_an_answer_that_names_another_id_is_dead_and_alarms(
    scenario_also_on_hapi: FaultScenario, alone: bool
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people()
    scenario.harness.push_until_quiet()
    scenario.correct_scores(ks=(1,) if alone else (1, 2))
    ours = scenario.score_reference.encode()

    def another(body: bytes) -> bytes:
        return body.replace(b'"id":"' + ours.partition(b"/")[2], b'"id":"score-9-9').replace(
            ours, b"Observation/score-9-9"
        )

    scenario.proxy.plan = first_where(
        is_write_of_first_score(scenario), InjectedFault("another id", override_body=another)
    )
    scenario.harness.push()
    assert scenario.newest_delivery().state.value == "dead"
    (item,) = scenario.harness.work_items()
    assert (item.role, item.details["reason"]) == (
        "administrator",
        "the destination answered with another id",
    )
    assert scenario.harness.states().get("pending", 0) == 0, "what did not concern it went on"


@pytest.mark.parametrize(
    "strategy", [WriteStrategy.OUR_ID, WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE]
)
@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_f18_a_201_that_does_not_say_its_version_is_read_back(
    scenario_also_on_hapi: FaultScenario, alone: bool, strategy: WriteStrategy
) -> None:
    scenario = scenario_also_on_hapi
    scenario.harness.destination = destination(strategy=strategy, entries=1 if alone else 200)
    bare = InjectedFault(
        "bare", strip=frozenset({"etag", "location", "content-location"}), override_body=drop_version
    )
    scenario.proxy.plan = lambda call: bare if is_write(call) else None
    scenario.publish_people(1)
    assert scenario.harness.push_until_quiet()["sent"] == 9
    scenario.proxy.plan = lambda _: None
    with scenario.store.read() as uow:
        held = uow.remote_versions.find_many(scenario.harness.destination.id, [scenario.score_reference])
    assert held[scenario.score_reference].etag == "1"
    # With the version that was read back the next write is fenced as any other is.
    scenario.correct_scores(ks=(1,))
    assert scenario.harness.push().counts == {"sent": 1}
    assert scenario.proxy.seen[-1].method == "PUT"
    scenario.assert_all_delivered_once()


def drop_version(body: bytes) -> bytes:
    """What a server says that keeps versions and does not tell."""
    return drop_members("versionId", "etag", "location")(body)


@pytest.mark.promise("P2")
@FIRST_WRITE_OR_UPDATE
def test_f27_a_500_after_the_ehr_stored_it_is_settled_and_not_stored_again(
    scenario_also_on_hapi: FaultScenario, first: bool
) -> None:
    scenario = scenario_also_on_hapi
    inject_once(scenario, InjectedFault("500 after commit", override_status=500), first=first)
    assert_settled_without_duplicate(scenario, first=first)


@FIRST_WRITE_OR_UPDATE
def test_a_request_that_the_network_delivers_twice_has_one_effect(
    scenario: FaultScenario, first: bool
) -> None:
    inject_once(scenario, InjectedFault("twice", twice=True), first=first)
    assert scenario.harness.push_until_quiet()["dead"] == 0
    scenario.assert_all_delivered_once(versions=1 if first else None)
    assert scenario.ehr.versions(scenario.score_reference) == (1 if first else 2)
