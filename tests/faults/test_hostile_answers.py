"""Answers that are bombs, and certificates that are not the destination's: a bounded call, and a stated result."""

import gzip
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from fhir_pmp.ehr.client import EhrClient, Limits
from fhir_pmp.ehr.outcomes import TooLong
from tests.faults.certificates import DAY, Authority, ehr_with
from tests.faults.proxy import Fault, first_where, write_with
from tests.faults.scene import Scene
from tests.integration.ehr.house import House
from tests.integration.ehr.sample import publish_people

MEGABYTE = 1024 * 1024
LIMITS = Limits(connect=2.0, between_bytes=5.0, whole_call=20.0, answer_bytes=MEGABYTE)
GZIP = {"Content-Encoding": "gzip"}
BOMBS: dict[str, Callable[[], Fault]] = {
    "10 MB": lambda: Fault("bomb", override_body=lambda _: b'{"x":"' + b"y" * (10 * MEGABYTE) + b'"}'),
    "10 MB that never end": lambda: Fault("bomb", override_body=lambda _: b"[" * (10 * MEGABYTE)),
    "a gzip bomb": lambda: Fault(
        "bomb", override_body=lambda _: gzip.compress(b"[" * (200 * MEGABYTE), 1), add=GZIP
    ),
    "a gzip bomb in a gzip bomb": lambda: Fault(
        "bomb",
        override_body=lambda _: gzip.compress(gzip.compress(b"[" * (200 * MEGABYTE), 1), 1),
        add={"Content-Encoding": "gzip, gzip"},
    ),
    "what is no gzip": lambda: Fault("bomb", override_body=lambda _: b"[" * 1000, add=GZIP),
    "brackets in brackets": lambda: Fault("bomb", override_body=lambda _: b"[" * 500_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_for_an_answer_is_unknown_and_settled_later_once(scene: Scene, name: str) -> None:
    scene.publish_people(1, after=5)
    scene.house.push_until_quiet()
    scene.make_limits(LIMITS)
    scene.publish_people()
    text = f"score-{scene.first}-1".encode()
    scene.proxy.plan = first_where(write_with(text), BOMBS[name]())
    scene.house.push()
    waiting = {(d.state.value, d.unknown) for d in scene.house.deliveries() if d.state.value != "sent"}
    assert waiting == {("pending", True)}
    scene.house.push_until_quiet()
    scene.expect_all_once(versions=1)


def test_a_bomb_that_never_ends_is_dead_at_the_age_limit_and_a_person_is_told(scene: Scene) -> None:
    scene.publish_people(1)
    scene.house.push_until_quiet()
    scene.make_limits(LIMITS)
    scene.correct_scores(ks=(1,))
    bomb = BOMBS["10 MB"]()
    scene.proxy.plan = lambda _: bomb
    for hours in (0, 30, 30, 30):
        scene.house.later(hours=hours)
        scene.house.push()
    assert scene.newest().state.value == "dead"
    assert len(scene.house.work_items()) == 1
    assert scene.ehr.versions(scene.observation) == 2, "it had arrived: a person finds that out"


def test_a_gzip_bomb_takes_no_more_memory_than_an_answer_may(scene: Scene) -> None:
    bomb = gzip.compress(b"[" * (200 * MEGABYTE), 1)
    scene.proxy.plan = lambda _: Fault("bomb", override_body=lambda _: bomb, add=GZIP)
    with EhrClient(scene.proxy.address, limits=LIMITS) as client:
        tracemalloc.start()
        with pytest.raises(TooLong):
            client.ask("GET", "metadata")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 20 * MEGABYTE


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this process trusts."""
    authority = Authority(tmp_path)
    monkeypatch.setattr("requests.utils.DEFAULT_CA_BUNDLE_PATH", str(authority.file))
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(authority.file))
    return authority


@pytest.mark.parametrize(
    ("host", "until"),
    [("127.0.0.1", timedelta(days=-1)), ("another-host.example", DAY), ("127.0.0.2", DAY)],
    ids=["expired", "of another host", "of another address"],
)
def test_a_certificate_that_is_not_valid_pauses_and_alarms_and_is_never_waved_through(
    scene: Scene, authority: Authority, host: str, until: timedelta
) -> None:
    publish_people(scene.store, 2)
    with ehr_with(authority.sign(host, until=until)) as (address, stored):
        with House(scene.store, address) as house:
            for _ in range(5):
                house.push()
                house.later(minutes=10)
        assert list(stored.all_versions()) == []
    (item,) = scene.house.work_items()
    assert (item.kind, item.role) == ("destination_paused", "administrator")
    with scene.store.read() as books:
        assert books.breakers.get(scene.house.destination.id).state == "paused"
    assert {(d.state.value, d.attempts) for d in scene.house.deliveries()} == {("pending", 0)}


def test_a_certificate_of_nobody_we_know_pauses_and_alarms(scene: Scene, tmp_path: Path) -> None:
    publish_people(scene.store, 1)
    with ehr_with(Authority(tmp_path).sign("127.0.0.1")) as (address, stored):
        with House(scene.store, address) as house:
            house.push()
        assert list(stored.all_versions()) == []
    assert [item.kind for item in scene.house.work_items()] == ["destination_paused"]


def test_what_has_a_valid_certificate_is_delivered_to(scene: Scene, authority: Authority) -> None:
    publish_people(scene.store, 1)
    with ehr_with(authority.sign("127.0.0.1")) as (address, stored), House(scene.store, address) as house:
        house.push_until_quiet()
        assert len(list(stored.all_versions())) == 9
    assert scene.house.work_items() == []
