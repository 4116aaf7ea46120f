"""Several who write and read at once: nothing is missed by a poller, nothing is done twice, nobody waits for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store
from fhir_pmp.store.errors import StoreBusy
from fhir_pmp.store.versions.read_scope import Reader
from fhir_pmp.store.versions.search_query import Prefix, Search, SpanFilter
from tests.integration.store.sample_records import NOW, add_person, person, resource

INTERNAL = Reader.internal()
WAIT_SECONDS = 20


class Poller:
    """Polls by _lastUpdated as an EHR does: each time from where the last answer ended."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._since = 0
        self.seen: list[str] = []

    def poll(self) -> None:
        since = datetime.fromtimestamp(self._since / 1000, UTC)
        span = SpanFilter(Prefix.GE, since, since + timedelta(milliseconds=1))
        with self._store.read() as uow:
            page = uow.published.search(INTERNAL, Search("Observation", last_updated=(span,), count=1000))
        self.seen += [version.id for version in page.versions]
        self._since = page.snapshot + 1


@pytest.mark.promise("P13")
def test_a_poller_misses_nothing_while_one_publish_is_open_and_another_starts(
    migrated_url: str, publisher: Publisher
) -> None:
    """The second may wait for the first: what must not happen is that it commits a later moment before it."""
    store, other = Store(migrated_url), Store(migrated_url)  # two processes, as far as the database can tell
    published, release = threading.Event(), threading.Event()
    second_started, second_done = threading.Event(), threading.Event()

    def first() -> None:
        with store.begin() as uow:
            publisher.publish(uow, [resource("first")], now=NOW)
            published.set()
            assert release.wait(WAIT_SECONDS)

    def second() -> None:
        assert published.wait(WAIT_SECONDS)
        second_started.set()
        with other.begin() as uow:
            # Its clock is behind: it would be given an earlier moment, were it the clock's to give.
            publisher.publish(uow, [resource("second")], now=NOW - timedelta(seconds=5))
        second_done.set()

    with store.begin() as uow:
        add_person(uow, 1)
    poller = Poller(store)
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(first), pool.submit(second)]
        try:
            assert second_started.wait(WAIT_SECONDS)
            for _ in range(20):
                poller.poll()
                second_done.wait(0.01)
            release.set()
            while not all(future.done() for future in running):
                poller.poll()
        finally:
            release.set()
        for future in running:
            future.result()
    poller.poll()
    assert sorted(poller.seen) == ["first", "second"]
    with store.read() as uow:
        moments = {
            str(v.id): v.last_updated for v in uow.published.of_person(INTERNAL, PersonId("patient-1"))
        }
    assert moments["second"] == moments["first"] + timedelta(milliseconds=1)
    store.close()
    other.close()


def test_a_poller_misses_nothing_of_four_who_publish_at_once(migrated_url: str, publisher: Publisher) -> None:
    stores = [Store(migrated_url) for _ in range(2)]
    with stores[0].begin() as uow:
        add_person(uow, 1)

    def publish(writer: int) -> None:
        for n in range(10):
            with stores[writer % 2].begin() as uow:
                publisher.publish(uow, [resource(f"o{writer}-{n}")], now=NOW)

    poller = Poller(stores[0])
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(publish, writer) for writer in range(4)]
        while not all(future.done() for future in running):
            poller.poll()
        for future in running:
            future.result()
    poller.poll()
    assert sorted(poller.seen) == sorted(f"o{writer}-{n}" for writer in range(4) for n in range(10))
    for store in stores:
        store.close()


def test_each_lane_is_claimed_by_one_of_several_who_ask_at_once(
    migrated_url: str, publisher: Publisher
) -> None:
    stores = [Store(migrated_url) for _ in range(3)]
    with stores[0].begin() as uow:
        for n in range(1, 31):
            add_person(uow, n)
        publisher.publish(uow, [resource(f"o{n}", of=n) for n in range(1, 31)], now=NOW)

    def claim(store: Store) -> list[str]:
        found: list[str] = []
        while True:
            with store.begin_without_publishing() as uow:
                lanes = uow.outbox.claim_due(
                    DestinationId("hospital"), now=NOW, lease=timedelta(minutes=1), lanes=2, per_lane=9
                )
            if not lanes:
                return found
            found += [lane.lane for lane in lanes]

    with ThreadPoolExecutor(3) as pool:
        claimed = [lane for found in pool.map(claim, stores) for lane in found]
    assert sorted(claimed) == sorted(f"patient-{n}" for n in range(1, 31))
    for store in stores:
        store.close()


def test_readers_go_on_while_a_writer_holds_its_transaction(store: Store) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        with store.read() as reading:
            assert reading.people.find(PersonId("patient-1")) is None
    with store.read() as reading:
        assert reading.people.find(PersonId("patient-1")) is not None


def test_a_read_sees_one_state_whatever_is_committed_meanwhile(store: Store) -> None:
    with store.read() as reading:
        assert reading.people.find(PersonId("patient-1")) is None
        with store.begin() as uow:
            add_person(uow, 1)
        assert reading.people.find(PersonId("patient-1")) is None


def test_a_read_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match="(?i)read-?only"), store.read() as uow:
        add_person(uow, 1)


def test_a_writer_gets_its_turn_between_the_commits_of_an_import(migrated_url: str) -> None:
    importing, web = Store(migrated_url), Store(migrated_url)
    over = threading.Event()

    def commit_after_commit() -> None:
        while not over.is_set():
            with importing.begin():
                over.wait(0.06)
            over.wait(0.006)  # the next batch is read

    waited = 0.0
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(commit_after_commit)
        for n in range(15):
            over.wait(0.03)
            started = time.monotonic()
            with web.begin() as uow:
                uow.people.add(person(n), now=NOW)
            waited += time.monotonic() - started
        over.set()
        running.result()
    assert waited < 3  # about one commit each; SQLite's own waiting let one of them wait for 9 seconds
    importing.close()
    web.close()


def test_a_writer_whose_turn_does_not_come_is_told_to_try_later(migrated_url: str) -> None:
    store, impatient = Store(migrated_url), Store(migrated_url, busy_seconds=0.1)
    with store.begin(), pytest.raises(StoreBusy) as refused, impatient.begin():
        pass
    assert refused.value.after_seconds == 1
    with impatient.begin() as uow:
        add_person(uow, 1)
    store.close()
    impatient.close()
