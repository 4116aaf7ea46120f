"""F33 to F35: what the EHR will never take is parked with what rests on it, a person is told, and the rest goes."""

import re
import signal
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from fhir_pmp.cli import deliveries as command
from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.ehr.config.work_item_kinds import DELIVERY_REFUSED
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from tests.fault_injection.fault_proxy import InjectedFault, is_write
from tests.faults.fault_scenario import FaultScenario
from tests.integration.ehr.sample_resources import questionnaire_response, score
from tests.integration.ehr.sync_harness import destination

WAITING_REASON = re.compile(r"waits for QuestionnaireResponse/response-\d+-2, which is not there")


def publish_refused_response(scenario: FaultScenario) -> str:
    """The first person's second response says something the EHR does not take: a code outside its value set."""
    scenario.publish(questionnaire_response(scenario.first, 2, status="finished"))
    return f"QuestionnaireResponse/response-{scenario.first}-2"


def publish_corrected_response(scenario: FaultScenario) -> None:
    """It is corrected."""
    scenario.publish(questionnaire_response(scenario.first, 2, status="amended"))


def assert_rest_delivered(scenario: FaultScenario, refused_reference: str) -> None:
    """All but the spoilt response and its score are there once, and one work item tells of it."""
    scenario.assert_sent_exists_once(versions=1)
    assert scenario.harness.states() == {"sent": 1 + 6 + 8, "superseded": 1, "dead": 1, "waiting": 1}
    assert scenario.newest_delivery(refused_reference).state.value == "dead"
    dependant = scenario.newest_delivery(f"Observation/score-{scenario.first}-2")
    assert dependant.state.value == "waiting"
    assert WAITING_REASON.fullmatch(dependant.reason or "")
    (item,) = scenario.harness.work_items()
    assert (item.kind, item.role, item.person) == (
        DELIVERY_REFUSED,
        "administrator",
        f"patient-{scenario.first}",
    )
    assert (
        item.details["resource"]
        == f"{refused_reference}/_history/{scenario.newest_delivery(refused_reference).version}"
    )


@pytest.mark.promise("P4")
@pytest.mark.parametrize("strategy", [WriteStrategy.OUR_ID, WriteStrategy.CONDITIONAL_UPDATE])
def test_f33_a_poisoned_event_parks_its_chain_and_other_patients_flow(
    scenario: FaultScenario, strategy: WriteStrategy
) -> None:
    scenario.harness.destination = destination(strategy=strategy)
    scenario.publish_people()
    good = score(1, 2)
    # What a wrong mapping can come to: bytes that are no resource at all.
    broken = RenderedResource(
        good.type, good.id, good.head, b"}}", good.sharing, good.person, good.episode, refs=good.refs
    )
    scenario.publish(broken)
    after = score(1, 9, derivedFrom=[{"reference": "Observation/score-1-2"}])
    scenario.publish(after)
    scenario.harness.push_until_quiet()
    assert scenario.newest_delivery("Observation/score-1-2").state.value == "dead"
    assert scenario.newest_delivery("Observation/score-1-9").state.value == "waiting"
    assert scenario.newest_delivery("Observation/score-1-3").state.value == "sent"
    assert scenario.newest_delivery("Observation/score-2-2").state.value == "sent"
    (item,) = scenario.harness.work_items()
    assert (item.kind, item.person) == (DELIVERY_REFUSED, "patient-1")


@pytest.mark.promise("P4")
def test_f34_what_rests_on_a_dead_delivery_is_parked_and_never_sent_dangling(scenario: FaultScenario) -> None:
    scenario.publish_people()
    refused_reference = publish_refused_response(scenario)
    scenario.harness.push_until_quiet()
    assert_rest_delivered(scenario, refused_reference)
    calls = [seen for seen in scenario.proxy.seen if seen.path.endswith("Observation/score-1-2")]
    assert calls == [], "it was not even tried"
    # Nor later, nor when something new rests on it.
    scenario.publish(score(1, 7, derivedFrom=[{"reference": refused_reference}]))
    scenario.harness.later(hours=2)
    scenario.harness.push_until_quiet()
    assert scenario.ehr.ask("GET", "Observation/score-1-7").status_code == 404
    assert scenario.newest_delivery("Observation/score-1-7").state.value == "waiting"
    publish_corrected_response(scenario)
    scenario.harness.push_until_quiet()
    assert scenario.ehr.get("Observation/score-1-7")["derivedFrom"] == [{"reference": refused_reference}]
    scenario.assert_all_delivered_once(versions=1)


@pytest.mark.promise("P4")
def test_the_culprit_of_a_refused_transaction_is_found_and_parked_and_the_rest_goes(
    scenario_also_on_hapi: FaultScenario,
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people()
    refused_reference = publish_refused_response(scenario)
    scenario.harness.push_until_quiet()
    assert_rest_delivered(scenario, refused_reference)
    # The EHR does not number the entry that it refuses: after the transaction each went by itself, once.
    alone = [seen.path for seen in scenario.proxy.seen if seen.method == "PUT"]
    assert len(alone) == len(set(alone)) == 1 + 7
    publish_corrected_response(scenario)
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once(versions=1)


def replay_command(scenario: FaultScenario, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs `fhir-pmp deliveries replay` on this scene's database; what it says."""
    monkeypatch.setattr(command, "start_runtime", lambda: SimpleNamespace(store=scenario.store))
    monkeypatch.setattr(command, "now", lambda: scenario.harness.now)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(command.deliveries, ["replay", *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run


@pytest.mark.promise("P2")
@pytest.mark.parametrize("crash_at", [None, "lane claimed", "bundle answered"])
def test_f35_a_replay_of_a_dead_event_twice_has_one_effect(
    scenario: FaultScenario, monkeypatch: pytest.MonkeyPatch, crash_at: str | None
) -> None:
    scenario.publish_people(1)
    scenario.harness.push_until_quiet()
    scenario.correct_scores(ks=(1, 2))
    refused = InjectedFault("refused", status=422)
    scenario.proxy.plan = lambda call: refused if is_write(call) else None
    scenario.harness.push_until_quiet()
    assert scenario.harness.states()["dead"] == 2
    scenario.proxy.plan = lambda _: None
    run = replay_command(scenario, monkeypatch)
    assert "2 would be sent again" in run("--person", "patient-1")
    assert scenario.harness.states()["dead"] == 2, "it was a dry run"
    for _ in range(2):
        run("--person", "patient-1", "--execute")
    assert scenario.harness.states() == {"sent": 9, "pending": 2}
    if crash_at is not None:
        scenario.harness.later(hours=1)
        killed = scenario.push_processes.run(
            scenario.proxy.address, crash_at=crash_at, starts_at=scenario.harness.now
        )
        assert killed == -signal.SIGKILL
        run("--person", "patient-1", "--execute")
    scenario.harness.later(hours=1)
    scenario.harness.push_until_quiet()
    run("--person", "patient-1", "--execute")
    writes = len(scenario.proxy.stored_calls())
    assert scenario.harness.push().counts == {}
    assert len(scenario.proxy.stored_calls()) == writes
    assert [scenario.ehr.versions(f"Observation/score-1-{k}") for k in (1, 2)] == [2, 2]
    scenario.assert_all_delivered_once()
