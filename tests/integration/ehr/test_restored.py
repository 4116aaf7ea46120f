"""Our database goes back in time and the EHR does not: nothing is doubled, nothing there is put back, nothing is believed sent."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fhir_pmp.ehr.destinations import WriteStrategy
from fhir_pmp.store import Store
from tests.faults.proxy import Fault, FaultProxy
from tests.integration.ehr.house import Ehr, House, destination
from tests.integration.ehr.reading import checked, pull, reconcile
from tests.integration.ehr.sample import add_people, everything_about, publish, publish_people, score
from tests.neighbours.postgres import PostgresServer
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


def value(ehr: Ehr, n: int, k: int) -> str:
    """What the EHR says of a score."""
    return str(ehr.get(f"Observation/score-{n}-{k}")["valueQuantity"]["value"])


def live_on(house: House) -> None:
    """What happened after the backup: corrections, a new person, and everything of it delivered."""
    publish(house.store, [score(1, 1, "8.00")])
    publish(house.store, [score(1, 2, "8.20")])
    publish(house.store, [score(2, 2, "8.40")])
    publish_people(house.store, 1, first=3)
    publish(house.store, [score(3, 1, "8.60", status="amended")])
    house.push_until_quiet()


def yesterday(house: House) -> None:
    """The state of the backup: two people are there; a correction of one and first versions of the other are unsent."""
    publish_people(house.store, 1)
    add_people(house.store, [2])
    publish(house.store, [one for one in everything_about(2) if one.id not in ("score-2-2", "response-2-2")])
    house.push_until_quiet()
    publish(house.store, [score(1, 2, "8.10")])
    publish(house.store, [one for one in everything_about(2) if one.id in ("score-2-2", "response-2-2")])


def test_f48_a_database_put_back_to_yesterday_takes_the_ehr_back_nowhere(
    house: House, ehr: Ehr, proxy: FaultProxy, backup: Backup
) -> None:
    yesterday(house)
    restored = backup()
    live_on(house)
    before = {
        (n, k): (value(ehr, n, k), ehr.versions(f"Observation/score-{n}-{k}"))
        for n in (1, 2, 3)
        for k in (1, 2)
    }
    total = sum(len(ehr.all(kind)) for kind in ("Observation", "QuestionnaireResponse", "Patient", "Bundle"))
    store = Store(restored)
    with House(store, proxy.address) as again:
        again.later(hours=1)
        came_to = reconcile(again)
        assert came_to.complete
        # The correction of score-1-1 is nobody's that this database knows; what was first sent since is unknown to it.
        assert came_to.counts["edited"] == 1
        assert came_to.counts["unknown"] >= 3 + 3 + 1
        assert "missing" not in came_to.counts
        again.push_until_quiet()
        after = {(n, k): (value(ehr, n, k), ehr.versions(f"Observation/score-{n}-{k}")) for n, k in before}
        assert after == before
        assert {item.kind for item in again.work_items()} == {"edited_at_destination"}
        # What came since is given again: the same facts in the same order, each once.
        live_on(again)
        assert {key: found for key, (found, _) in before.items()} == {
            (n, k): value(ehr, n, k) for n, k in before
        }
        pull(again)
        assert checked(again, ehr.address).is_clean
        assert again.work_items() == []
        assert total == sum(
            len(ehr.all(kind)) for kind in ("Observation", "QuestionnaireResponse", "Patient", "Bundle")
        )
        assert set(reconcile(again).counts) == {"equal"}
    store.close()


def test_f48_ids_that_the_server_gave_since_the_backup_are_found_again_by_identifier(
    store: Store, backup: Backup
) -> None:
    with stub_ehr("--no-client-ids") as process, House(store, process.address) as house:
        house.destination = destination(strategy=WriteStrategy.CONDITIONAL_UPDATE)
        ehr = Ehr(process.address)
        publish_people(store, 1)
        restored = backup()
        house.push_until_quiet()
        count = len(ehr.all("Observation"))
        later = Store(restored)
        with House(later, process.address) as again:
            again.destination = house.destination
            again.later(hours=1)
            counts = reconcile(again).counts
            # What refers to ids that are not known again yet is read before anything is written.
            assert counts["remembered"] + counts["unknown"] == 3 + 3 + 1
            again.push_until_quiet()
            assert len(ehr.all("Observation")) == count == 3
            assert {r["meta"]["versionId"] for r in ehr.all("Observation")} == {"1"}
            assert checked(again, ehr.address).is_clean
        later.close()


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_f48_a_power_cut_that_drops_the_tail_of_the_log_leaves_nothing_falsely_sent(
    house: House, ehr: Ehr, proxy: FaultProxy, tmp_path: Path
) -> None:
    publish_people(house.store, 4)
    cuts: list[Path] = []

    def power_cut() -> None:
        folder = tmp_path / f"cut-{len(cuts)}"
        folder.mkdir()
        for name in ("store.db", "store.db-wal"):
            shutil.copy(tmp_path / name, folder / name)
        cuts.append(folder)

    # The EHR has stored it, and we have written down nothing of that yet.
    proxy.plan = lambda call: (
        Fault("cut", after_upstream=power_cut) if call.method in ("POST", "PUT") else None
    )
    house.push_until_quiet()
    proxy.plan = lambda _: None
    assert len(cuts) >= 4
    for number, folder in enumerate(cuts[1::2]):
        log = folder / "store.db-wal"
        whole = log.stat().st_size
        with log.open("r+b") as file:
            file.truncate(whole - (whole // 3 if number % 2 else 5000))  # in the middle of a frame
        store = Store(f"sqlite:///{folder / 'store.db'}")
        with House(store, proxy.address) as again:
            claimed = {d.reference for d in again.deliveries() if d.state.value == "sent"}
            assert all(ehr.ask("GET", reference).status_code == 200 for reference in claimed)
            again.later(hours=1)
            again.push_until_quiet()
            assert set(again.states()) == {"sent"} or not again.deliveries()
            assert checked(again, ehr.address).is_clean
        store.close()
    versions = {r["meta"]["versionId"] for kind in ("Observation", "Patient") for r in ehr.all(kind)}
    assert versions == {"1"}
