"""F13, F16, F24, F28: answers get lost or cut, others write too, the EHR is down for ten minutes."""

from datetime import timedelta

import pytest

from fhir_pmp.ehr.ledger import EDITED
from tests.faults.proxy import Call, Fault, FaultProxy, Plan
from tests.integration.ehr.house import Ehr, House
from tests.integration.ehr.sample import add_people, organization, publish, publish_people, score

COMMITTED = {
    "F13 reset after commit": Fault("reset after commit", reset_after=True),
    "F16 truncated under its true length": Fault("truncated", truncate_to=200),
    "F16 cut to nothing": Fault("truncated", truncate_to=0),
}


def once(fault: Fault, text: bytes) -> Plan:
    """The fault happens to the first write that holds this text."""
    done: list[int] = []

    def plan(call: Call) -> Fault | None:
        if done or call.method == "GET" or text not in call.body:
            return None
        done.append(call.number)
        return fault

    return plan


@pytest.mark.parametrize("name", COMMITTED)
@pytest.mark.parametrize("first", [True, False], ids=["first write", "update"])
def test_f13_f16_a_lost_answer_is_unknown_then_settled_and_nothing_is_doubled(
    house: House, ehr: Ehr, proxy: FaultProxy, name: str, first: bool
) -> None:
    publish_people(house.store, 2)
    if not first:
        house.push()
        publish(house.store, [score(1, 1, "6.00"), score(1, 2, "6.00")])
    proxy.plan = once(COMMITTED[name], b"score-1-1")
    house.push()
    lost = [d for d in house.deliveries() if d.state.value == "pending"]
    assert {d.unknown for d in lost} == {True}
    assert len(lost) == (8 if first else 2)
    assert house.push_until_quiet()["dead"] == 0
    assert house.states() == {"sent": 17 if first else 19}
    assert ehr.versions("Observation/score-1-1") == (1 if first else 2)
    assert len(ehr.all("Observation")) == 6
    assert house.work_items() == []


@pytest.mark.parametrize("status", [409, 412])
def test_f24_a_stale_if_match_never_overwrites_and_a_person_merges(
    house: House, ehr: Ehr, proxy: FaultProxy, status: int
) -> None:
    publish_people(house.store, 1)
    house.push()
    edited = ehr.get("Observation/score-1-1") | {"note": [{"text": "a second writer"}]}
    assert ehr.ask("PUT", "Observation/score-1-1", edited).status_code == 200
    publish(house.store, [score(1, 1, "6.00"), score(1, 2, "6.00")])

    def says(call: Call) -> Fault | None:
        # HAPI says 409 where the specification says 412: both mean the same.
        stale = (
            b"ifMatch" in call.body
            and b"score-1-1" in call.body
            or "if-match" in call.headers
            and "1-1" in call.path
        )
        return Fault("status", override_status=status) if stale and status == 412 else None

    proxy.plan = says
    assert house.push().counts == {"sent": 1, "dead": 1}
    assert ehr.get("Observation/score-1-1")["note"] == [{"text": "a second writer"}]
    assert [item.kind for item in house.work_items()] == [EDITED]
    assert str(ehr.get("Observation/score-1-2")["valueQuantity"]["value"]) == "6.00"


def test_f28_a_storm_of_503_sees_few_probes_and_then_all_is_sent(
    house: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    people = 100
    add_people(house.store, range(1, people + 1))
    publish(house.store, [organization()])
    house.push()
    publish(
        house.store,
        [score(n, k, derivedFrom=None, subject=None) for n in range(1, people + 1) for k in range(5)],
    )
    proxy.plan = lambda _: Fault("storm", status=503)
    before, calls = len(proxy.seen), []
    began = house.now
    while house.now < began + timedelta(minutes=10):
        house.push()
        calls.append(len(proxy.seen) - before)
        house.later(seconds=5)
    # Five in a row open the breaker (with two connections six may be under way), then 1-2, 2-4, 4-8, ... seconds.
    assert calls[0] <= 5 + 1
    assert calls[-1] <= 5 + 1 + 10
    assert house.states() == {"sent": 1, "pending": 500}

    proxy.plan = lambda _: None
    house.push_until_quiet(most=400)
    assert house.states() == {"sent": 501}
    assert len(ehr.all("Observation")) == 500
    attempted = {d.attempts for d in house.deliveries() if d.type == "Observation"}
    assert max(attempted) > 1, "some were tried in the storm"
    assert house.work_items() == []
