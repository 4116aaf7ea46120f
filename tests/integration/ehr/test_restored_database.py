"""Our database goes back in time and the EHR does not: nothing is doubled, nothing there is put back, nothing is believed sent."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.store import Store
from tests.backing_services.postgres import PostgresServer
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault
from tests.integration.ehr.pull_and_reconcile import checked, pull, reconcile
from tests.integration.ehr.sample_resources import (
    add_people,
    everything_about,
    publish,
    publish_people,
    score,
)
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness, destination
from tests.stub_ehr.process import stub_ehr

Backup = Callable[[], str]


@pytest.fixture
def backup(
    migrated_url: str, store: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Backup]:
    """Makes a backup of the database as it stands, as its own tools do; the address of the restored one."""
    made: list[str] = []

    def sqlite() -> str:
        with (
            closing(sqlite3.connect(tmp_path / "store.db")) as whole,
            closing(sqlite3.connect(tmp_path / "yesterday.db")) as copy,
        ):
            whole.backup(copy)
        return f"sqlite:///{tmp_path / 'yesterday.db'}"

    def postgres() -> str:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        store.close()  # a template may have no visitors
        made.append(server.new_database(template=migrated_url.rpartition("/")[2].partition("?")[0]))
        return server.url(made[-1])

    yield sqlite if migrated_url.startswith("sqlite") else postgres
    for name in made:
        request.getfixturevalue("postgres_server").drop_database(name)


def value(ehr: EhrObserver, n: int, k: int) -> str:
    """What the EHR says of a score."""
    return str(ehr.get(f"Observation/score-{n}-{k}")["valueQuantity"]["value"])


def live_on(harness: SyncHarness) -> None:
    """What happened after the backup: corrections, a new person, and everything of it delivered."""
    publish(harness.store, [score(1, 1, "8.00")])
    publish(harness.store, [score(1, 2, "8.20")])
    publish(harness.store, [score(2, 2, "8.40")])
    publish_people(harness.store, 1, first=3)
    publish(harness.store, [score(3, 1, "8.60", status="amended")])
    harness.push_until_quiet()


def yesterday(harness: SyncHarness) -> None:
    """The state of the backup: two people are there; a correction of one and first versions of the other are unsent."""
    publish_people(harness.store, 1)
    add_people(harness.store, [2])
    publish(
        harness.store, [one for one in everything_about(2) if one.id not in ("score-2-2", "response-2-2")]
    )
    harness.push_until_quiet()
    publish(harness.store, [score(1, 2, "8.10")])
    publish(harness.store, [one for one in everything_about(2) if one.id in ("score-2-2", "response-2-2")])


@pytest.mark.promise("P22")
def test_f48_a_database_put_back_to_yesterday_takes_the_ehr_back_nowhere(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy, backup: Backup
) -> None:
    yesterday(harness)
    restored = backup()
    live_on(harness)
    before = {
        (n, k): (value(ehr, n, k), ehr.versions(f"Observation/score-{n}-{k}"))
        for n in (1, 2, 3)
        for k in (1, 2)
    }
    total = sum(len(ehr.all(kind)) for kind in ("Observation", "QuestionnaireResponse", "Patient", "Bundle"))
    store = Store(restored)
    with SyncHarness(store, proxy.address) as sent_again:
        sent_again.later(hours=1)
        result = reconcile(sent_again)
        assert result.complete
        # The correction of score-1-1 is nobody's that this database knows; what was first sent since is unknown to it.
        assert result.counts["edited"] == 1
        assert result.counts["unknown"] >= 3 + 3 + 1
        assert "missing" not in result.counts
        sent_again.push_until_quiet()
        after = {(n, k): (value(ehr, n, k), ehr.versions(f"Observation/score-{n}-{k}")) for n, k in before}
        assert after == before
        assert {item.kind for item in sent_again.work_items()} == {"edited_at_destination"}
        # What came since is given again: the same facts in the same order, each once.
        live_on(sent_again)
        assert {key: found for key, (found, _) in before.items()} == {
            (n, k): value(ehr, n, k) for n, k in before
        }
        pull(sent_again)
        assert checked(sent_again, ehr.address).is_clean
        assert sent_again.work_items() == []
        assert total == sum(
            len(ehr.all(kind)) for kind in ("Observation", "QuestionnaireResponse", "Patient", "Bundle")
        )
        assert set(reconcile(sent_again).counts) == {"equal"}
    store.close()


@pytest.mark.promise("P22")
def test_f48_ids_that_the_server_gave_since_the_backup_are_found_again_by_identifier(
    store: Store, backup: Backup
) -> None:
    with stub_ehr("--no-client-ids") as process, SyncHarness(store, process.address) as harness:
        harness.destination = destination(strategy=WriteStrategy.CONDITIONAL_UPDATE)
        ehr = EhrObserver(process.address)
        publish_people(store, 1)
        restored = backup()
        harness.push_until_quiet()
        count = len(ehr.all("Observation"))
        later = Store(restored)
        with SyncHarness(later, process.address) as sent_again:
            sent_again.destination = harness.destination
            sent_again.later(hours=1)
            counts = reconcile(sent_again).counts
            # What refers to ids that are not known again yet is read before anything is written.
            assert counts["remembered"] + counts["unknown"] == 3 + 3 + 1
            sent_again.push_until_quiet()
            assert len(ehr.all("Observation")) == count == 3
            assert {r["meta"]["versionId"] for r in ehr.all("Observation")} == {"1"}
            assert checked(sent_again, ehr.address).is_clean
        later.close()


@pytest.mark.promise("P22")
@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_f48_a_power_cut_that_drops_the_tail_of_the_log_leaves_nothing_falsely_sent(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy, tmp_path: Path
) -> None:
    publish_people(harness.store, 4)
    cuts: list[Path] = []

    def power_cut() -> None:
        folder = tmp_path / f"cut-{len(cuts)}"
        folder.mkdir()
        for name in ("store.db", "store.db-wal"):
            shutil.copy(tmp_path / name, folder / name)
        cuts.append(folder)

    # The EHR has stored it, and we have written down nothing of that yet.
    proxy.plan = lambda call: (
        InjectedFault("cut", after_upstream=power_cut) if call.method in ("POST", "PUT") else None
    )
    harness.push_until_quiet()
    proxy.plan = lambda _: None
    assert len(cuts) >= 4
    for number, folder in enumerate(cuts[1::2]):
        log = folder / "store.db-wal"
        whole = log.stat().st_size
        with log.open("r+b") as file:
            file.truncate(whole - (whole // 3 if number % 2 else 5000))  # in the middle of a frame
        store = Store(f"sqlite:///{folder / 'store.db'}")
        with SyncHarness(store, proxy.address) as sent_again:
            claimed = {d.reference for d in sent_again.deliveries() if d.state.value == "sent"}
            assert all(ehr.ask("GET", reference).status_code == 200 for reference in claimed)
            sent_again.later(hours=1)
            sent_again.push_until_quiet()
            assert set(sent_again.states()) == {"sent"} or not sent_again.deliveries()
            assert checked(sent_again, ehr.address).is_clean
        store.close()
    versions = {r["meta"]["versionId"] for kind in ("Observation", "Patient") for r in ehr.all(kind)}
    assert versions == {"1"}
