"""A server that gives ids and was emptied gives the same ids to other resources: what we remember of it is no proof."""

from collections.abc import Iterator

import pytest

from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.store import Store
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault
from tests.integration.ehr.foreign_resources import (
    assert_everything_once,
    assert_untouched,
    remote_references_of_ours,
    take_over_ids,
    values_of,
)
from tests.integration.ehr.pull_and_reconcile import follow_notifications, pull_to_the_end, put, reconcile
from tests.integration.ehr.sample_resources import (
    HOSPITAL,
    publish,
    publish_people,
    questionnaire_response,
    score,
)
from tests.integration.ehr.sync_harness import EhrObserver, Resource, SyncHarness, destination
from tests.integration.ehr.webhook_sender import webhook_sender
from tests.stub_ehr.process import StubProcess, stub_ehr

EVERYTHING = 2 * 8 + 1


@pytest.fixture
def stub() -> Iterator[StubProcess]:
    """A server that gives its own ids, from 1 on, and forgets everything when it is started anew."""
    with stub_ehr("--no-client-ids") as process:
        yield process


@pytest.fixture(
    params=[
        WriteStrategy.CONDITIONAL_UPDATE,
        WriteStrategy.CONDITIONAL_CREATE,
        WriteStrategy.SEARCH_THEN_CREATE,
    ]
)
def sent(store: Store, proxy: FaultProxy, request: pytest.FixtureRequest) -> Iterator[SyncHarness]:
    """Two people's records are there, by each way of writing to such a server."""
    with SyncHarness(store, proxy.address) as harness:
        harness.destination = destination(strategy=request.param)
        publish_people(store, 2)
        assert harness.push_until_quiet()["sent"] == EVERYTHING
        yield harness


@pytest.fixture
def foreign(sent: SyncHarness, stub: StubProcess, ehr: EhrObserver) -> dict[str, Resource]:
    """The server was emptied, and another's resources got the very ids that ours had: by place, as they stand."""
    places = remote_references_of_ours(sent)
    stub.kill()
    stub.start()
    return take_over_ids(places, ehr)


@pytest.mark.promise("P22")
def test_a_newer_version_and_what_is_new_never_reach_anothers_record(
    sent: SyncHarness, ehr: EhrObserver, foreign: dict[str, Resource]
) -> None:
    publish(sent.store, [score(1, 1, "9.00"), questionnaire_response(1, 9), score(1, 9)])
    sent.push_until_quiet()
    assert_untouched(ehr, foreign)
    reconcile(sent)
    sent.push_until_quiet()
    assert_untouched(ehr, foreign)
    assert_everything_once(sent, ehr, foreign, EVERYTHING + 2)
    assert values_of(ehr, "1-1") == ["9.00"]


@pytest.mark.promise("P22")
def test_the_reconcile_finds_that_they_are_anothers_and_sends_ours_again(
    sent: SyncHarness, ehr: EhrObserver, foreign: dict[str, Resource]
) -> None:
    assert reconcile(sent, dry_run=True).counts == {"missing": EVERYTHING}
    result = reconcile(sent)
    assert result.counts == {"missing": EVERYTHING}
    sent.push_until_quiet()
    assert_untouched(ehr, foreign)
    assert_everything_once(sent, ehr, foreign, EVERYTHING)


@pytest.mark.promise("P22")
def test_ours_under_each_others_old_ids_are_told_apart(
    sent: SyncHarness, stub: StubProcess, ehr: EhrObserver
) -> None:
    """Emptied twice, and the second person's records came first: the ids of the first are the second's now."""
    stub.kill()
    stub.start()
    publish(sent.store, [score(2, 1, "8.00")])
    sent.push_until_quiet()
    publish(sent.store, [score(1, 1, "9.00")])
    sent.push_until_quiet()
    reconcile(sent)
    sent.push_until_quiet()
    assert_everything_once(sent, ehr, {}, EVERYTHING)
    assert (values_of(ehr, "1-1"), values_of(ehr, "2-1")) == (["9.00"], ["8.00"])


def test_ours_that_its_people_have_brought_back_under_another_id_is_found_and_not_taken_for_edited(
    sent: SyncHarness, stub: StubProcess, ehr: EhrObserver
) -> None:
    places = remote_references_of_ours(sent)
    document = ehr.get(places["Bundle/document-1"])
    stub.kill()
    stub.start()
    foreign = take_over_ids(places, ehr)
    brought = f"Bundle/{ehr.ask('POST', 'Bundle', document).json()['id']}"
    assert reconcile(sent).counts == {"missing": EVERYTHING, "elsewhere": 1}
    sent.push_until_quiet()
    assert remote_references_of_ours(sent)["Bundle/document-1"] == brought
    assert ehr.versions(brought) == 1
    assert_everything_once(sent, ehr, foreign, EVERYTHING)


def test_the_pull_keeps_nothing_of_anothers_record(sent: SyncHarness, foreign: dict[str, Resource]) -> None:
    pull_to_the_end(sent)
    with sent.store.read() as uow:
        kept = uow.inbox.list_by_channel("pull", sender=HOSPITAL)
    assert [one for one in kept if b"a stranger" in one.body] == []
    assert sent.work_items() == []


@pytest.mark.promise("P22")
@pytest.mark.parametrize("compared_first", [False, True], ids=["sent first", "compared first"])
def test_what_somebody_deleted_under_an_id_of_ours_was_the_strangers(
    sent: SyncHarness, ehr: EhrObserver, foreign: dict[str, Resource], compared_first: bool
) -> None:
    for place in foreign:
        assert ehr.ask("DELETE", place).status_code == 200
    if compared_first:
        assert reconcile(sent).counts == {"missing": EVERYTHING}
    publish(sent.store, [score(1, 1, "9.00")])
    sent.push_until_quiet()
    if not compared_first:
        assert "deleted" not in reconcile(sent).counts
        sent.push_until_quiet()
    assert_everything_once(sent, ehr, foreign, EVERYTHING)
    assert values_of(ehr, "1-1") == ["9.00"]


@pytest.mark.parametrize("owner", ["a stranger's", "ours"])
def test_a_deletion_that_is_rung_for_is_noticed_where_it_was_of_ours(
    sent: SyncHarness, stub: StubProcess, ehr: EhrObserver, owner: str
) -> None:
    places = remote_references_of_ours(sent)
    if owner != "ours":
        stub.kill()
        stub.start()
        take_over_ids(places, ehr)
    place = places["Observation/score-1-1"]
    assert ehr.ask("DELETE", place).status_code == 200
    with webhook_sender(sent) as webhook:
        webhook.send_webhook(None, method="PUT", place=place)
    assert follow_notifications(sent)["deleted"] == (owner == "ours")
    assert len(sent.work_items()) == (owner == "ours")


def test_a_deleted_one_is_ours_while_its_server_does_not_tell_former_versions(
    sent: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    assert ehr.ask("DELETE", remote_references_of_ours(sent)["Observation/score-1-1"]).status_code == 200
    proxy.plan = lambda call: InjectedFault("tells none", status=404) if "/_history/" in call.path else None
    assert reconcile(sent).counts == {"deleted": 1, "equal": EVERYTHING - 1}
    assert [item.kind for item in sent.work_items()] == ["deleted_at_destination"]


@pytest.mark.promise("P22")
def test_ours_from_which_somebody_took_our_identifier_is_edited_and_not_lost(
    sent: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    place = remote_references_of_ours(sent)["Observation/score-1-1"]
    put(ehr, {name: value for name, value in ehr.get(place).items() if name != "identifier"})
    assert reconcile(sent).counts == {"edited": 1, "equal": EVERYTHING - 1}
    publish(sent.store, [score(1, 1, "9.00")])
    assert sent.push_until_quiet()["dead"] == 1
    assert {item.kind for item in sent.work_items()} == {"edited_at_destination"}
    assert len(ehr.all("Observation")) == 6
    assert ehr.versions(place) == 2


@pytest.mark.parametrize("status", [401, 503])
def test_while_it_cannot_be_told_whose_a_place_is_nothing_is_written(
    sent: SyncHarness, ehr: EhrObserver, proxy: FaultProxy, foreign: dict[str, Resource], status: int
) -> None:
    publish(sent.store, [score(1, 1, "9.00")])
    written_bodies = len(proxy.written_bodies())
    proxy.plan = lambda call: InjectedFault("sick", status=status) if "/_history/" in call.path else None
    sent.push()
    assert len(proxy.written_bodies()) == written_bodies
    assert sent.states()["pending"] == 1
    assert_untouched(ehr, foreign)
