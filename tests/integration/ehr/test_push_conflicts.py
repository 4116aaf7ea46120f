"""Somebody else writes too, answers get lost, servers forget: what stands there decides, and no edit is written over."""

from decimal import Decimal

import pytest

from fhir_pmp.ehr.config.work_item_kinds import DELIVERY_REFUSED, EDITED
from fhir_pmp.store import Store
from tests.fault_injection.fault_proxy import (
    Call,
    FaultProxy,
    InjectedFault,
    first_where,
    is_write_containing,
)
from tests.integration.ehr.pull_and_reconcile import edit
from tests.integration.ehr.sample_resources import (
    everything_about,
    organization,
    patient,
    publish,
    publish_people,
    score,
)
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness
from tests.stub_ehr.process import StubProcess


@pytest.mark.promise("P3")
def test_an_edit_of_somebody_else_is_not_written_over_and_a_person_merges(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    edit(ehr, "Observation/score-1-1", note=[{"text": "seen"}])
    publish(harness.store, [score(1, 1, "5.00"), score(1, 2, "4.00")])
    assert harness.push().counts == {"sent": 1, "dead": 1}
    assert ehr.get("Observation/score-1-1")["note"] == [{"text": "seen"}]
    assert ehr.versions("Observation/score-1-2") == 2
    (item,) = harness.work_items()
    assert (item.kind, item.details["resource"]) == (EDITED, "Observation/score-1-1/_history/2")
    assert "seen" not in str(item)


def test_an_edit_that_says_what_we_say_is_ours(harness: SyncHarness, ehr: EhrObserver) -> None:
    publish_people(harness.store, 1)
    harness.push()
    edit(ehr, "Observation/score-1-1", status="amended")
    publish(harness.store, [score(1, 1, status="amended")])
    assert harness.push().counts == {"sent": 1}
    assert ehr.versions("Observation/score-1-1") == 2


def test_an_older_version_of_ours_that_came_back_is_written_over_once(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [score(1, 1, "6.00")])
    harness.push()
    # The EHR goes back in time and counts its versions on.
    edit(ehr, "Observation/score-1-1", valueQuantity={"value": Decimal("7.10"), "unit": "{score}"})
    publish(harness.store, [score(1, 1, "5.00")])
    assert harness.push().counts == {"sent": 1}
    assert str(ehr.get("Observation/score-1-1")["valueQuantity"]["value"]) == "5.00"
    assert harness.work_items() == []


def test_the_repeat_of_an_update_whose_answer_was_lost_is_settled_by_reading(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [score(1, k, "5.00") for k in (1, 2, 3)])
    proxy.plan = first_where(
        is_write_containing(b"score-1-1"), InjectedFault("reset after commit", reset_after=True)
    )
    harness.push()
    assert harness.states()["pending"] == 3
    writes = len(proxy.written_bodies())
    assert harness.push_until_quiet()["sent"] == 3
    assert len(proxy.written_bodies()) == writes
    assert [ehr.versions(f"Observation/score-1-{k}") for k in (1, 2, 3)] == [2, 2, 2]


@pytest.mark.promise("P3")
def test_an_edit_made_between_a_lost_answer_and_the_repeat_survives(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    proxy.plan = first_where(
        is_write_containing(b"score-1-1"), InjectedFault("reset after commit", reset_after=True)
    )
    harness.push()
    edit(ehr, "Observation/score-1-1", note=[{"text": "seen"}])
    harness.push_until_quiet()
    assert ehr.get("Observation/score-1-1")["note"] == [{"text": "seen"}]
    assert harness.state_of("Observation/score-1-1") == "dead"
    assert [item.kind for item in harness.work_items()] == [EDITED]


@pytest.mark.promise("P1")
def test_what_the_server_lost_is_made_anew_under_its_id(
    store: Store, ehr: EhrObserver, stub: StubProcess
) -> None:
    with SyncHarness(store, stub.address) as harness:
        publish_people(store, 1)
        harness.push()
        stub.kill()
        stub.start()  # it kept everything in memory
        publish(store, everything_about(1))
        publish(store, [organization(name="Pain programme of today")])
        publish(store, [patient(1, gender="other")])
        harness.push()
        # Whoever is sent again is made anew; to find the rest is the reconcile's work.
        assert ehr.versions("Organization/organization-1") == 1
        assert ehr.versions("Patient/patient-1") == 1


def test_what_was_deleted_there_is_not_brought_back_without_a_person(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    assert ehr.ask("DELETE", "Observation/score-1-1").status_code == 200
    publish(harness.store, [score(1, 1, "5.00"), score(1, 2, "5.00")])
    assert harness.push().counts == {"sent": 1, "dead": 1}
    assert ehr.ask("GET", "Observation/score-1-1").status_code == 410
    assert [item.kind for item in harness.work_items()] == [DELIVERY_REFUSED]


def test_a_server_without_transactions_gets_one_by_one(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    def without_transactions(call: Call) -> InjectedFault | None:
        if not call.path.endswith("/metadata"):
            return None
        return InjectedFault(
            "says less",
            override_body=lambda body: body.replace(b'"code":"transaction"', b'"code":"search-system"'),
        )

    proxy.plan = without_transactions
    publish_people(harness.store, 1)
    assert harness.push().counts == {"sent": 9}
    assert {seen.method for seen in proxy.seen} == {"GET", "PUT"}
    assert len(ehr.all("Observation")) == 3


def test_a_server_that_refuses_inside_a_200_is_believed_entry_by_entry(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    def refuse_one(body: bytes) -> bytes:
        return body.replace(
            b'"status":"201 Created","location":"Observation/score-1-1/',
            b'"status":"429 Slow","location":"Observation/score-1-1/',
        )

    proxy.plan = first_where(
        is_write_containing(b"score-1-1"), InjectedFault("429 inside", override_body=refuse_one)
    )
    publish_people(harness.store, 1)
    assert harness.push().counts == {"sent": 9}
    assert proxy.seen[-1].path.endswith("Observation/score-1-1")
    assert ehr.versions("Observation/score-1-1") == 1
