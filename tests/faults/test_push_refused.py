"""F19, F21 to F25, F29: the EHR refuses the data, refuses us, points elsewhere, or holds what somebody else wrote."""

import json

import pytest
import sqlalchemy as sa

from fhir_pmp.ehr.destinations import WriteStrategy
from fhir_pmp.ehr.ledger import EDITED, REFUSED
from fhir_pmp.store.tables.metadata import metadata
from tests.faults.proxy import Call, Fault, FaultProxy, first_where, is_write
from tests.faults.scene import Scene
from tests.integration.ehr.house import destination
from tests.integration.ehr.sample import SCORES, publish_people

WORDS = "Ann Example said that she hurts"


def outcome(code: str) -> bytes:
    """An OperationOutcome that repeats a person's words, as real ones do."""
    issue = {"severity": "error", "code": code, "diagnostics": WORDS, "details": {"text": WORDS}}
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


def everything_kept(scene: Scene) -> str:
    """Every cell of every table but the published bytes themselves, as text."""
    kept: list[str] = []
    engine = sa.create_engine(scene.database.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            names = [c for c in table.columns if c.name not in ("content", "sent_bytes")]
            kept += [repr(tuple(row)) for row in connection.execute(sa.select(*names))]
    engine.dispose()
    return "\n".join(kept)


@pytest.mark.parametrize("status", [400, 422])
def test_f19_a_refusal_is_dead_at_once_and_of_its_words_only_the_codes_are_kept(
    scene: Scene, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    scene.publish_people(2)
    scene.house.push()
    scene.correct_scores(ks=(1, 2))
    refused = Fault("refused", status=status, status_body=outcome("code-invalid"))
    text = scene.observation.partition("/")[2].encode()
    scene.proxy.plan = lambda call: refused if is_write(call) and text in call.body else None
    assert scene.house.push().counts == {"sent": 1, "dead": 1}
    (item,) = scene.house.work_items()
    assert (item.kind, item.role) == (REFUSED, "administrator")
    assert (item.details["status"], item.details["reason"]) == (status, "code-invalid")
    newest = scene.newest()
    assert (newest.state.value, newest.last_status, newest.attempts) == ("dead", status, 1)
    # Nobody hammers with it: it is not tried again by itself.
    calls = len(scene.proxy.written())
    scene.house.later(hours=2)
    scene.house.push()
    assert len(scene.proxy.written()) == calls
    told = capfd.readouterr()
    for place in (everything_kept(scene), told.out, told.err):
        assert WORDS not in place


@pytest.mark.parametrize("status", [401, 402, 403, 407, 451])
def test_f21_an_ehr_that_goes_on_refusing_us_is_paused_and_a_person_called(scene: Scene, status: int) -> None:
    scene.publish_people(3)
    scene.proxy.plan = lambda call: Fault("refused", status=status) if is_write(call) else None
    for _ in range(12):
        scene.house.push()
        scene.house.later(minutes=4)
    assert len(scene.proxy.written()) == 1, "once an hour we see whether it was mended"
    (item,) = scene.house.work_items()
    assert (item.kind, item.role, item.details["status"]) == ("destination_paused", "administrator", status)
    assert {(d.state.value, d.attempts) for d in scene.house.deliveries()} == {("pending", 0)}
    scene.proxy.plan = lambda _: None
    scene.house.later(minutes=61)
    scene.house.push_until_quiet()
    scene.expect_all_once(versions=1)


def test_f22_an_update_of_what_the_ehr_lost_makes_it_anew(scene: Scene) -> None:
    scene.publish_people(1)
    scene.house.push()
    lost = {"Observation/score-1-1"}
    scene.correct_scores(ks=(1,))

    def forgets(call: Call) -> Fault | None:
        # It knows nothing of the resource until it is written without a condition.
        gone = any(reference in call.path for reference in lost)
        if gone and (call.method == "GET" or "if-match" in call.headers):
            return Fault("404", status=404, status_body=outcome("not-found"))
        return None

    scene.proxy.plan = forgets
    assert scene.house.push().counts == {"sent": 1}
    assert scene.value() == "5.00"
    scene.expect_all_once()


def test_f22_an_update_of_what_was_deleted_there_is_for_a_person(scene: Scene) -> None:
    scene.publish_people(1)
    scene.house.push()
    assert scene.ehr.ask("DELETE", scene.observation).status_code == 200
    scene.correct_scores(ks=(1, 2))
    assert scene.house.push_until_quiet() == {"sent": 1, "dead": 1}
    assert scene.ehr.ask("GET", scene.observation).status_code == 410
    (item,) = scene.house.work_items()
    assert (item.kind, item.details["status"]) == (REFUSED, 410)


@pytest.mark.parametrize("conflicts", [1, 2])
def test_f23_version_conflicts_are_read_and_compared_and_then_it_goes(
    scene_also_on_hapi: Scene, conflicts: int
) -> None:
    scene = scene_also_on_hapi
    scene.publish_people(1)
    scene.house.push_until_quiet()
    scene.correct_scores(ks=(1,))
    left = [conflicts]

    def races(call: Call) -> Fault | None:
        if not is_write(call) or not left[0]:
            return None
        left[0] -= 1
        return Fault("409", status=409, status_body=outcome("conflict"))

    scene.proxy.plan = races
    assert scene.house.push().counts == {"sent": 1}
    assert scene.value() == "5.00"
    scene.expect_all_once()


def test_f23_a_conflict_that_does_not_end_is_tried_few_times_and_backs_off(scene_also_on_hapi: Scene) -> None:
    scene = scene_also_on_hapi
    scene.publish_people(1)
    scene.house.push_until_quiet()
    scene.correct_scores(ks=(1, 2))
    before = len(scene.proxy.written())
    races = Fault("409", status=409, status_body=outcome("conflict"))
    scene.proxy.plan = lambda call: races if is_write(call) else None
    scene.house.push()
    assert 2 <= len(scene.proxy.written()) - before <= 5 + 1
    assert scene.house.states()["pending"] == 2
    assert scene.value() == "7.10", "nothing was written over"
    scene.proxy.plan = lambda _: None
    scene.house.push_until_quiet()
    assert scene.value() == "5.00"
    scene.expect_all_once()


def test_a_server_that_wants_a_precondition_gets_the_version_and_else_is_for_a_person(scene: Scene) -> None:
    scene.publish_people(1)
    scene.house.push()
    scene.correct_scores(ks=(1,))
    wants = Fault("428", status=428, status_body=outcome("required"))
    scene.proxy.plan = first_where(is_write, wants)
    assert scene.house.push().counts == {"sent": 1}
    scene.correct_scores("4.00", ks=(1,))
    before = len(scene.proxy.written())
    scene.proxy.plan = lambda call: wants if is_write(call) else None
    assert scene.house.push().counts == {"dead": 1}
    assert len(scene.proxy.written()) - before <= 3
    assert scene.house.work_items()[0].details["status"] == 428


@pytest.mark.parametrize("status", [409, 412])
@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_f24_a_stale_if_match_never_overwrites_and_a_person_merges(
    scene_also_on_hapi: Scene, alone: bool, status: int
) -> None:
    scene = scene_also_on_hapi
    scene.publish_people(1)
    scene.house.push_until_quiet()
    edited = scene.ehr.get(scene.observation) | {"note": [{"text": "a second writer"}]}
    assert scene.ehr.ask("PUT", scene.observation, edited).status_code == 200
    scene.correct_scores(ks=(1,) if alone else (1, 2))
    # HAPI says 409 where the specification says 412: both mean the same.
    scene.proxy.plan = lambda call: Fault("says", override_status=status) if is_stale(scene, call) else None
    assert scene.house.push().counts == ({"dead": 1} if alone else {"sent": 1, "dead": 1})
    assert scene.ehr.get(scene.observation)["note"] == [{"text": "a second writer"}]
    assert [item.kind for item in scene.house.work_items()] == [EDITED]
    if not alone:
        assert scene.value(2) == "5.00"


def is_stale(scene: Scene, call: Call) -> bool:
    """Whether the request would write over the edited Observation under the version before the edit."""
    inside = b'"W/\\"1\\""' in call.body and scene.observation.encode() in call.body
    return is_write(call) and (inside or call.headers.get("if-match") == 'W/"1"')


@pytest.mark.parametrize("strategy", [WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE])
@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_f25_two_that_match_are_for_a_person_and_never_the_first_of_them(
    scene_also_on_hapi: Scene, alone: bool, strategy: WriteStrategy
) -> None:
    scene = scene_also_on_hapi
    scene.house.destination = destination(strategy=strategy, entries=1 if alone else 200)
    twin = {
        "resourceType": "Observation",
        "identifier": [{"system": SCORES, "value": f"{scene.first}-1"}],
        "status": "final",
        "code": {"text": "somebody else's"},
    }
    twins = [scene.ehr.ask("POST", "Observation", twin).json()["id"] for _ in range(2)]
    scene.publish_people(1)
    assert scene.house.push_until_quiet() == {"sent": 8, "dead": 1}
    assert scene.newest().state.value == "dead"
    (item,) = scene.house.work_items()
    assert (item.kind, item.role, item.details["status"]) == (REFUSED, "administrator", 412)
    assert item.details["reason"] == "several at the destination bear this identifier"
    for id_ in twins:
        assert scene.ehr.versions(f"Observation/{id_}") == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_f29_a_redirect_to_another_host_is_not_followed_and_nothing_is_said_there(
    scene_also_on_hapi: Scene, status: int
) -> None:
    scene = scene_also_on_hapi
    scene.publish_people(1)
    scene.house.push_until_quiet()
    scene.correct_scores(ks=(1,))
    with FaultProxy(scene.ehr.address) as elsewhere:
        moved = Fault("moved", status=status, status_headers={"Location": f"{elsewhere.address}/Observation"})
        scene.proxy.plan = lambda call: moved if is_write(call) else None
        assert scene.house.push().counts == {"dead": 1}
        assert elsewhere.seen == []
    (item,) = scene.house.work_items()
    assert (item.kind, item.details["status"]) == (REFUSED, status)
    assert scene.value() == "7.10"


def test_f29_a_destination_that_moved_altogether_is_paused_and_nothing_is_said_there(scene: Scene) -> None:
    with FaultProxy(scene.ehr.address) as elsewhere:
        moved = Fault("moved", status=302, status_headers={"Location": f"{elsewhere.address}/metadata"})
        scene.proxy.plan = lambda _: moved
        publish_people(scene.store, 1)
        scene.house.push()
        assert elsewhere.seen == []
    assert [item.kind for item in scene.house.work_items()] == ["destination_paused"]
