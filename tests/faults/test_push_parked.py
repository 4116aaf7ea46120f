"""F33 to F35: what the EHR will never take is parked with what rests on it, a person is told, and the rest goes."""

import re
import signal
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from fhir_pmp.cli import deliveries as command
from fhir_pmp.ehr.destinations import WriteStrategy
from fhir_pmp.ehr.ledger import REFUSED
from fhir_pmp.fhir.rendered import Rendered
from tests.faults.proxy import Fault, is_write
from tests.faults.scene import Scene
from tests.integration.ehr.house import destination
from tests.integration.ehr.sample import questionnaire_response, score

WAITS = re.compile(r"waits for QuestionnaireResponse/response-\d+-2, which is not there")


def spoil(scene: Scene) -> str:
    """The first person's second response says something the EHR does not take: a code outside its value set."""
    scene.publish(questionnaire_response(scene.first, 2, status="finished"))
    return f"QuestionnaireResponse/response-{scene.first}-2"


def mend(scene: Scene) -> None:
    """It is corrected."""
    scene.publish(questionnaire_response(scene.first, 2, status="amended"))


def expect_the_rest_there(scene: Scene, spoilt: str) -> None:
    """All but the spoilt response and its score are there once, and one work item tells of it."""
    scene.expect_sent_once(versions=1)
    assert scene.house.states() == {"sent": 1 + 6 + 8, "superseded": 1, "dead": 1, "waiting": 1}
    assert scene.newest(spoilt).state.value == "dead"
    dependant = scene.newest(f"Observation/score-{scene.first}-2")
    assert dependant.state.value == "waiting"
    assert WAITS.fullmatch(dependant.reason or "")
    (item,) = scene.house.work_items()
    assert (item.kind, item.role, item.person) == (REFUSED, "administrator", f"patient-{scene.first}")
    assert item.details["resource"] == f"{spoilt}/_history/{scene.newest(spoilt).version}"


@pytest.mark.parametrize("strategy", [WriteStrategy.OUR_ID, WriteStrategy.CONDITIONAL_UPDATE])
def test_f33_a_poisoned_event_parks_its_chain_and_other_patients_flow(
    scene: Scene, strategy: WriteStrategy
) -> None:
    scene.house.destination = destination(strategy=strategy)
    scene.publish_people()
    good = score(1, 2)
    # What a wrong mapping can come to: bytes that are no resource at all.
    broken = Rendered(
        good.type, good.id, good.head, b"}}", good.sharing, good.person, good.episode, refs=good.refs
    )
    scene.publish(broken)
    after = score(1, 9, derivedFrom=[{"reference": "Observation/score-1-2"}])
    scene.publish(after)
    scene.house.push_until_quiet()
    assert scene.newest("Observation/score-1-2").state.value == "dead"
    assert scene.newest("Observation/score-1-9").state.value == "waiting"
    assert scene.newest("Observation/score-1-3").state.value == "sent"
    assert scene.newest("Observation/score-2-2").state.value == "sent"
    (item,) = scene.house.work_items()
    assert (item.kind, item.person) == (REFUSED, "patient-1")


def test_f34_what_rests_on_a_dead_delivery_is_parked_and_never_sent_dangling(scene: Scene) -> None:
    scene.publish_people()
    spoilt = spoil(scene)
    scene.house.push_until_quiet()
    expect_the_rest_there(scene, spoilt)
    calls = [seen for seen in scene.proxy.seen if seen.path.endswith("Observation/score-1-2")]
    assert calls == [], "it was not even tried"
    # Nor later, nor when something new rests on it.
    scene.publish(score(1, 7, derivedFrom=[{"reference": spoilt}]))
    scene.house.later(hours=2)
    scene.house.push_until_quiet()
    assert scene.ehr.ask("GET", "Observation/score-1-7").status_code == 404
    assert scene.newest("Observation/score-1-7").state.value == "waiting"
    mend(scene)
    scene.house.push_until_quiet()
    assert scene.ehr.get("Observation/score-1-7")["derivedFrom"] == [{"reference": spoilt}]
    scene.expect_all_once(versions=1)


def test_the_culprit_of_a_refused_transaction_is_found_and_parked_and_the_rest_goes(
    scene_also_on_hapi: Scene,
) -> None:
    scene = scene_also_on_hapi
    scene.publish_people()
    spoilt = spoil(scene)
    scene.house.push_until_quiet()
    expect_the_rest_there(scene, spoilt)
    # The EHR does not number the entry that it refuses: after the transaction each went by itself, once.
    alone = [seen.path for seen in scene.proxy.seen if seen.method == "PUT"]
    assert len(alone) == len(set(alone)) == 1 + 7
    mend(scene)
    scene.house.push_until_quiet()
    scene.expect_all_once(versions=1)


def commands_over(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs `fhir-pmp deliveries replay` on this scene's database; what it says."""
    monkeypatch.setattr(command, "start", lambda: SimpleNamespace(store=scene.store))
    monkeypatch.setattr(command, "now", lambda: scene.house.now)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(command.deliveries, ["replay", *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run


@pytest.mark.parametrize("crash_at", [None, "lane claimed", "bundle answered"])
def test_f35_a_replay_of_a_dead_event_twice_has_one_effect(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, crash_at: str | None
) -> None:
    scene.publish_people(1)
    scene.house.push_until_quiet()
    scene.correct_scores(ks=(1, 2))
    refused = Fault("refused", status=422)
    scene.proxy.plan = lambda call: refused if is_write(call) else None
    scene.house.push_until_quiet()
    assert scene.house.states()["dead"] == 2
    scene.proxy.plan = lambda _: None
    run = commands_over(scene, monkeypatch)
    assert "2 would be sent again" in run("--person", "patient-1")
    assert scene.house.states()["dead"] == 2, "it was a dry run"
    for _ in range(2):
        run("--person", "patient-1", "--do-it")
    assert scene.house.states() == {"sent": 9, "pending": 2}
    if crash_at is not None:
        scene.house.later(hours=1)
        killed = scene.syncs.run(scene.proxy.address, crash_at=crash_at, starts_at=scene.house.now)
        assert killed == -signal.SIGKILL
        run("--person", "patient-1", "--do-it")
    scene.house.later(hours=1)
    scene.house.push_until_quiet()
    run("--person", "patient-1", "--do-it")
    writes = len(scene.proxy.committed())
    assert scene.house.push().counts == {}
    assert len(scene.proxy.committed()) == writes
    assert [scene.ehr.versions(f"Observation/score-1-{k}") for k in (1, 2)] == [2, 2]
    scene.expect_all_once()
