"""A server that gives ids and was emptied gives the same ids to other resources: what we remember of it is no proof."""

from collections.abc import Iterator

import pytest

from fhir_pmp.ehr.destinations import WriteStrategy
from fhir_pmp.store import Store
from tests.faults.proxy import Fault, FaultProxy
from tests.integration.ehr.house import Ehr, House, Resource, destination
from tests.integration.ehr.reading import follow_hints, pull_to_the_end, put, reconcile
from tests.integration.ehr.ringing import door_of
from tests.integration.ehr.sample import (
    HOSPITAL,
    publish,
    publish_people,
    questionnaire_response,
    score,
)
from tests.integration.ehr.strangers import (
    places_of_ours,
    stands_whole,
    takes_the_places_of,
    untouched,
    values_of,
)
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
def sent(store: Store, proxy: FaultProxy, request: pytest.FixtureRequest) -> Iterator[House]:
    """Two people's records are there, by each way of writing to such a server."""
    with House(store, proxy.address) as house:
        house.destination = destination(strategy=request.param)
        publish_people(store, 2)
        assert house.push_until_quiet()["sent"] == EVERYTHING
        yield house


@pytest.fixture
def strangers(sent: House, stub: StubProcess, ehr: Ehr) -> dict[str, Resource]:
    """The server was emptied, and another's resources got the very ids that ours had: by place, as they stand."""
    places = places_of_ours(sent)
    stub.kill()
    stub.start()
    return takes_the_places_of(places, ehr)


def test_a_newer_version_and_what_is_new_never_reach_anothers_record(
    sent: House, ehr: Ehr, strangers: dict[str, Resource]
) -> None:
    publish(sent.store, [score(1, 1, "9.00"), questionnaire_response(1, 9), score(1, 9)])
    sent.push_until_quiet()
    untouched(ehr, strangers)
    reconcile(sent)
    sent.push_until_quiet()
    untouched(ehr, strangers)
    stands_whole(sent, ehr, strangers, EVERYTHING + 2)
    assert values_of(ehr, "1-1") == ["9.00"]


def test_the_reconcile_finds_that_they_are_anothers_and_sends_ours_again(
    sent: House, ehr: Ehr, strangers: dict[str, Resource]
) -> None:
    assert reconcile(sent, dry_run=True).counts == {"missing": EVERYTHING}
    came_to = reconcile(sent)
    assert came_to.counts == {"missing": EVERYTHING}
    sent.push_until_quiet()
    untouched(ehr, strangers)
    stands_whole(sent, ehr, strangers, EVERYTHING)


def test_ours_under_each_others_old_ids_are_told_apart(sent: House, stub: StubProcess, ehr: Ehr) -> None:
    """Emptied twice, and the second person's records came first: the ids of the first are the second's now."""
    stub.kill()
    stub.start()
    publish(sent.store, [score(2, 1, "8.00")])
    sent.push_until_quiet()
    publish(sent.store, [score(1, 1, "9.00")])
    sent.push_until_quiet()
    reconcile(sent)
    sent.push_until_quiet()
    stands_whole(sent, ehr, {}, EVERYTHING)
    assert (values_of(ehr, "1-1"), values_of(ehr, "2-1")) == (["9.00"], ["8.00"])


def test_ours_that_its_people_have_brought_back_under_another_id_is_found_and_not_taken_for_edited(
    sent: House, stub: StubProcess, ehr: Ehr
) -> None:
    places = places_of_ours(sent)
    document = ehr.get(places["Bundle/document-1"])
    stub.kill()
    stub.start()
    strangers = takes_the_places_of(places, ehr)
    brought = f"Bundle/{ehr.ask('POST', 'Bundle', document).json()['id']}"
    assert reconcile(sent).counts == {"missing": EVERYTHING, "elsewhere": 1}
    sent.push_until_quiet()
    assert places_of_ours(sent)["Bundle/document-1"] == brought
    assert ehr.versions(brought) == 1
    stands_whole(sent, ehr, strangers, EVERYTHING)


def test_the_pull_keeps_nothing_of_anothers_record(sent: House, strangers: dict[str, Resource]) -> None:
    pull_to_the_end(sent)
    with sent.store.read() as books:
        kept = books.inbox.list_by("pull", sender=HOSPITAL)
    assert [one for one in kept if b"a stranger" in one.body] == []
    assert sent.work_items() == []


@pytest.mark.parametrize("compared_first", [False, True], ids=["sent first", "compared first"])
def test_what_somebody_deleted_under_an_id_of_ours_was_the_strangers(
    sent: House, ehr: Ehr, strangers: dict[str, Resource], compared_first: bool
) -> None:
    for place in strangers:
        assert ehr.ask("DELETE", place).status_code == 200
    if compared_first:
        assert reconcile(sent).counts == {"missing": EVERYTHING}
    publish(sent.store, [score(1, 1, "9.00")])
    sent.push_until_quiet()
    if not compared_first:
        assert "deleted" not in reconcile(sent).counts
        sent.push_until_quiet()
    stands_whole(sent, ehr, strangers, EVERYTHING)
    assert values_of(ehr, "1-1") == ["9.00"]


@pytest.mark.parametrize("whose", ["a stranger's", "ours"])
def test_a_deletion_that_is_rung_for_is_noticed_where_it_was_of_ours(
    sent: House, stub: StubProcess, ehr: Ehr, whose: str
) -> None:
    places = places_of_ours(sent)
    if whose != "ours":
        stub.kill()
        stub.start()
        takes_the_places_of(places, ehr)
    place = places["Observation/score-1-1"]
    assert ehr.ask("DELETE", place).status_code == 200
    with door_of(sent) as door:
        door.ring(None, method="PUT", place=place)
    assert follow_hints(sent)["deleted"] == (whose == "ours")
    assert len(sent.work_items()) == (whose == "ours")


def test_a_deleted_one_is_ours_while_its_server_does_not_tell_former_versions(
    sent: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    assert ehr.ask("DELETE", places_of_ours(sent)["Observation/score-1-1"]).status_code == 200
    proxy.plan = lambda call: Fault("tells none", status=404) if "/_history/" in call.path else None
    assert reconcile(sent).counts == {"deleted": 1, "equal": EVERYTHING - 1}
    assert [item.kind for item in sent.work_items()] == ["deleted_at_destination"]


def test_ours_from_which_somebody_took_our_identifier_is_edited_and_not_lost(
    sent: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    place = places_of_ours(sent)["Observation/score-1-1"]
    put(ehr, {name: value for name, value in ehr.get(place).items() if name != "identifier"})
    assert reconcile(sent).counts == {"edited": 1, "equal": EVERYTHING - 1}
    publish(sent.store, [score(1, 1, "9.00")])
    assert sent.push_until_quiet()["dead"] == 1
    assert {item.kind for item in sent.work_items()} == {"edited_at_destination"}
    assert len(ehr.all("Observation")) == 6
    assert ehr.versions(place) == 2


@pytest.mark.parametrize("status", [401, 503])
def test_while_it_cannot_be_told_whose_a_place_is_nothing_is_written(
    sent: House, ehr: Ehr, proxy: FaultProxy, strangers: dict[str, Resource], status: int
) -> None:
    publish(sent.store, [score(1, 1, "9.00")])
    written = len(proxy.written())
    proxy.plan = lambda call: Fault("sick", status=status) if "/_history/" in call.path else None
    sent.push()
    assert len(proxy.written()) == written
    assert sent.states()["pending"] == 1
    untouched(ehr, strangers)
