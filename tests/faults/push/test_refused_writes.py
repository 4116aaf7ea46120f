"""F19, F21 to F25, F29: the EHR refuses the data, refuses us, points elsewhere, or holds what somebody else wrote."""

import json

import pytest
import sqlalchemy as sa

from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.ehr.config.work_item_kinds import DELIVERY_REFUSED, EDITED
from fhir_pmp.store.tables.metadata import metadata
from tests.fault_injection.fault_proxy import Call, FaultProxy, InjectedFault, first_where, is_write
from tests.faults.fault_scenario import FaultScenario
from tests.integration.ehr.sample_resources import SCORES, publish_people
from tests.integration.ehr.sync_harness import destination

PERSONS_WORDS = "Ann Example said that she hurts"


def operation_outcome(code: str) -> bytes:
    """An OperationOutcome that repeats a person's words, as real ones do."""
    issue = {
        "severity": "error",
        "code": code,
        "diagnostics": PERSONS_WORDS,
        "details": {"text": PERSONS_WORDS},
    }
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


def dump_all_tables(scenario: FaultScenario) -> str:
    """Every cell of every table but the published bytes themselves, as text."""
    kept: list[str] = []
    engine = sa.create_engine(scenario.database.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            names = [c for c in table.columns if c.name not in ("content", "sent_bytes")]
            kept += [repr(tuple(row)) for row in connection.execute(sa.select(*names))]
    engine.dispose()
    return "\n".join(kept)


@pytest.mark.promise("P10")
@pytest.mark.parametrize("status", [400, 422])
def test_f19_a_refusal_is_dead_at_once_and_of_its_words_only_the_codes_are_kept(
    scenario: FaultScenario, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    scenario.publish_people(2)
    scenario.harness.push()
    scenario.correct_scores(ks=(1, 2))
    refused = InjectedFault("refused", status=status, status_body=operation_outcome("code-invalid"))
    text = scenario.score_reference.partition("/")[2].encode()
    scenario.proxy.plan = lambda call: refused if is_write(call) and text in call.body else None
    assert scenario.harness.push().counts == {"sent": 1, "dead": 1}
    (item,) = scenario.harness.work_items()
    assert (item.kind, item.role) == (DELIVERY_REFUSED, "administrator")
    assert (item.details["status"], item.details["reason"]) == (status, "code-invalid")
    newest_delivery = scenario.newest_delivery()
    assert (newest_delivery.state.value, newest_delivery.last_status, newest_delivery.attempts) == (
        "dead",
        status,
        1,
    )
    # Nobody hammers with it: it is not tried again by itself.
    calls = len(scenario.proxy.written_bodies())
    scenario.harness.later(hours=2)
    scenario.harness.push()
    assert len(scenario.proxy.written_bodies()) == calls
    console = capfd.readouterr()
    for place in (dump_all_tables(scenario), console.out, console.err):
        assert PERSONS_WORDS not in place


@pytest.mark.promise("P7")
@pytest.mark.parametrize("status", [401, 402, 403, 407, 451])
def test_f21_an_ehr_that_goes_on_refusing_us_is_paused_and_a_person_called(
    scenario: FaultScenario, status: int
) -> None:
    scenario.publish_people(3)
    scenario.proxy.plan = lambda call: InjectedFault("refused", status=status) if is_write(call) else None
    for _ in range(12):
        scenario.harness.push()
        scenario.harness.later(minutes=4)
    assert len(scenario.proxy.written_bodies()) == 1, "once an hour we see whether it was mended"
    (item,) = scenario.harness.work_items()
    assert (item.kind, item.role, item.details["status"]) == ("destination_paused", "administrator", status)
    assert {(d.state.value, d.attempts) for d in scenario.harness.deliveries()} == {("pending", 0)}
    scenario.proxy.plan = lambda _: None
    scenario.harness.later(minutes=61)
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once(versions=1)


def test_f22_an_update_of_what_the_ehr_lost_makes_it_anew(scenario: FaultScenario) -> None:
    scenario.publish_people(1)
    scenario.harness.push()
    lost = {"Observation/score-1-1"}
    scenario.correct_scores(ks=(1,))

    def forgets(call: Call) -> InjectedFault | None:
        # It knows nothing of the resource until it is written without a condition.
        gone = any(reference in call.path for reference in lost)
        if gone and (call.method == "GET" or "if-match" in call.headers):
            return InjectedFault("404", status=404, status_body=operation_outcome("not-found"))
        return None

    scenario.proxy.plan = forgets
    assert scenario.harness.push().counts == {"sent": 1}
    assert scenario.value() == "5.00"
    scenario.assert_all_delivered_once()


def test_f22_an_update_of_what_was_deleted_there_is_for_a_person(scenario: FaultScenario) -> None:
    scenario.publish_people(1)
    scenario.harness.push()
    assert scenario.ehr.ask("DELETE", scenario.score_reference).status_code == 200
    scenario.correct_scores(ks=(1, 2))
    assert scenario.harness.push_until_quiet() == {"sent": 1, "dead": 1}
    assert scenario.ehr.ask("GET", scenario.score_reference).status_code == 410
    (item,) = scenario.harness.work_items()
    assert (item.kind, item.details["status"]) == (DELIVERY_REFUSED, 410)


@pytest.mark.promise("P3")
@pytest.mark.parametrize("conflicts", [1, 2])
def test_f23_version_conflicts_are_read_and_compared_and_then_it_goes(
    scenario_also_on_hapi: FaultScenario, conflicts: int
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people(1)
    scenario.harness.push_until_quiet()
    scenario.correct_scores(ks=(1,))
    left = [conflicts]

    def races(call: Call) -> InjectedFault | None:
        if not is_write(call) or not left[0]:
            return None
        left[0] -= 1
        return InjectedFault("409", status=409, status_body=operation_outcome("conflict"))

    scenario.proxy.plan = races
    assert scenario.harness.push().counts == {"sent": 1}
    assert scenario.value() == "5.00"
    scenario.assert_all_delivered_once()


def test_f23_a_conflict_that_does_not_end_is_tried_few_times_and_backs_off(
    scenario_also_on_hapi: FaultScenario,
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people(1)
    scenario.harness.push_until_quiet()
    scenario.correct_scores(ks=(1, 2))
    before = len(scenario.proxy.written_bodies())
    races = InjectedFault("409", status=409, status_body=operation_outcome("conflict"))
    scenario.proxy.plan = lambda call: races if is_write(call) else None
    scenario.harness.push()
    assert 2 <= len(scenario.proxy.written_bodies()) - before <= 5 + 1
    assert scenario.harness.states()["pending"] == 2
    assert scenario.value() == "7.10", "nothing was written over"
    scenario.proxy.plan = lambda _: None
    scenario.harness.push_until_quiet()
    assert scenario.value() == "5.00"
    scenario.assert_all_delivered_once()


def test_a_server_that_wants_a_precondition_gets_the_version_and_else_is_for_a_person(
    scenario: FaultScenario,
) -> None:
    scenario.publish_people(1)
    scenario.harness.push()
    scenario.correct_scores(ks=(1,))
    wants = InjectedFault("428", status=428, status_body=operation_outcome("required"))
    scenario.proxy.plan = first_where(is_write, wants)
    assert scenario.harness.push().counts == {"sent": 1}
    scenario.correct_scores("4.00", ks=(1,))
    before = len(scenario.proxy.written_bodies())
    scenario.proxy.plan = lambda call: wants if is_write(call) else None
    assert scenario.harness.push().counts == {"dead": 1}
    assert len(scenario.proxy.written_bodies()) - before <= 3
    assert scenario.harness.work_items()[0].details["status"] == 428


@pytest.mark.promise("P3")
@pytest.mark.parametrize("status", [409, 412])
@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_f24_a_stale_if_match_never_overwrites_and_a_person_merges(
    scenario_also_on_hapi: FaultScenario, alone: bool, status: int
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people(1)
    scenario.harness.push_until_quiet()
    edited = scenario.ehr.get(scenario.score_reference) | {"note": [{"text": "a second writer"}]}
    assert scenario.ehr.ask("PUT", scenario.score_reference, edited).status_code == 200
    scenario.correct_scores(ks=(1,) if alone else (1, 2))
    # HAPI says 409 where the specification says 412: both mean the same.
    scenario.proxy.plan = lambda call: (
        InjectedFault("says", override_status=status) if is_stale(scenario, call) else None
    )
    assert scenario.harness.push().counts == ({"dead": 1} if alone else {"sent": 1, "dead": 1})
    assert scenario.ehr.get(scenario.score_reference)["note"] == [{"text": "a second writer"}]
    assert [item.kind for item in scenario.harness.work_items()] == [EDITED]
    if not alone:
        assert scenario.value(2) == "5.00"


def is_stale(scenario: FaultScenario, call: Call) -> bool:
    """Whether the request would write over the edited Observation under the version before the edit."""
    inside = b'"W/\\"1\\""' in call.body and scenario.score_reference.encode() in call.body
    return is_write(call) and (inside or call.headers.get("if-match") == 'W/"1"')


@pytest.mark.promise("P2")
@pytest.mark.parametrize("strategy", [WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE])
@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_f25_two_that_match_are_for_a_person_and_never_the_first_of_them(
    scenario_also_on_hapi: FaultScenario, alone: bool, strategy: WriteStrategy
) -> None:
    scenario = scenario_also_on_hapi
    scenario.harness.destination = destination(strategy=strategy, entries=1 if alone else 200)
    duplicate = {
        "resourceType": "Observation",
        "identifier": [{"system": SCORES, "value": f"{scenario.first}-1"}],
        "status": "final",
        "code": {"text": "somebody else's"},
    }
    duplicates = [scenario.ehr.ask("POST", "Observation", duplicate).json()["id"] for _ in range(2)]
    scenario.publish_people(1)
    assert scenario.harness.push_until_quiet() == {"sent": 8, "dead": 1}
    assert scenario.newest_delivery().state.value == "dead"
    (item,) = scenario.harness.work_items()
    assert (item.kind, item.role, item.details["status"]) == (DELIVERY_REFUSED, "administrator", 412)
    assert item.details["reason"] == "several at the destination bear this identifier"
    for id_ in duplicates:
        assert scenario.ehr.versions(f"Observation/{id_}") == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_f29_a_redirect_to_another_host_is_not_followed_and_nothing_is_said_there(
    scenario_also_on_hapi: FaultScenario, status: int
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people(1)
    scenario.harness.push_until_quiet()
    scenario.correct_scores(ks=(1,))
    with FaultProxy(scenario.ehr.address) as elsewhere:
        moved = InjectedFault(
            "moved", status=status, status_headers={"Location": f"{elsewhere.address}/Observation"}
        )
        scenario.proxy.plan = lambda call: moved if is_write(call) else None
        assert scenario.harness.push().counts == {"dead": 1}
        assert elsewhere.seen == []
    (item,) = scenario.harness.work_items()
    assert (item.kind, item.details["status"]) == (DELIVERY_REFUSED, status)
    assert scenario.value() == "7.10"


def test_f29_a_destination_that_moved_altogether_is_paused_and_nothing_is_said_there(
    scenario: FaultScenario,
) -> None:
    with FaultProxy(scenario.ehr.address) as elsewhere:
        moved = InjectedFault(
            "moved", status=302, status_headers={"Location": f"{elsewhere.address}/metadata"}
        )
        scenario.proxy.plan = lambda _: moved
        publish_people(scenario.store, 1)
        scenario.harness.push()
        assert elsewhere.seen == []
    assert [item.kind for item in scenario.harness.work_items()] == ["destination_paused"]
