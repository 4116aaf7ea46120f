"""F12 to F18, F27: what happens to a request or to its answer on the way, before the EHR stored it and after."""

import time
from collections.abc import Callable

import pytest

from fhir_pmp.ehr.client import Limits
from fhir_pmp.ehr.destinations import WriteStrategy
from tests.faults.less import without
from tests.faults.proxy import Call, Fault, first_where, is_write, write_with
from tests.faults.scene import Scene
from tests.integration.ehr.house import destination

OUTCOME = b'{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"}]}'
FIRST_WRITE_OR_UPDATE = pytest.mark.parametrize("first", [True, False], ids=["first write", "update"])


def holds_the_score(scene: Scene) -> Callable[[Call], bool]:
    """Chooses writes that carry the first person's first score."""
    return write_with(f"score-{scene.first}-1".encode())


def lose_one(scene: Scene, fault: Fault, *, first: bool) -> None:
    """Two people; the fault happens once, to the transaction with the first person's scores."""
    scene.publish_people()
    if not first:
        scene.house.push_until_quiet()
        scene.correct_scores(ks=(1, 2))
    scene.proxy.plan = first_where(holds_the_score(scene), fault)
    scene.house.push()


def unsent(scene: Scene) -> set[tuple[str, bool]]:
    return {(d.state.value, d.unknown) for d in scene.house.deliveries() if d.state.value != "sent"}


def settled_and_not_doubled(scene: Scene, *, first: bool) -> None:
    """It may have arrived, so it is unknown; then it is settled, and it had one effect."""
    assert unsent(scene) == {("pending", True)}
    assert scene.house.push_until_quiet()["dead"] == 0
    scene.expect_all_once(versions=1 if first else None)
    assert scene.ehr.versions(scene.observation) == (1 if first else 2)
    # What the EHR stored of this person it stored once: the repeat was a look, not a write.
    text = f"score-{scene.first}-1".encode()
    assert len([s for s in scene.proxy.committed() if text in s.body]) == (1 if first else 2)


@FIRST_WRITE_OR_UPDATE
def test_f12_a_reset_before_the_ehr_stored_it_is_tried_again(scene: Scene, first: bool) -> None:
    lose_one(scene, Fault("reset before commit", reset_before=True), first=first)
    assert {state for state, _ in unsent(scene)} == {"pending"}
    assert scene.house.push_until_quiet()["dead"] == 0
    scene.expect_all_once(versions=1 if first else None)
    assert scene.ehr.versions(scene.observation) == (1 if first else 2)


@FIRST_WRITE_OR_UPDATE
def test_f13_a_reset_after_the_ehr_stored_it_is_unknown_then_settled_once(
    scene_also_on_hapi: Scene, first: bool
) -> None:
    scene = scene_also_on_hapi
    lose_one(scene, Fault("reset after commit", reset_after=True), first=first)
    settled_and_not_doubled(scene, first=first)


@FIRST_WRITE_OR_UPDATE
def test_f14_an_answer_that_comes_too_late_is_unknown_then_settled_once(
    scene_also_on_hapi: Scene, first: bool
) -> None:
    scene = scene_also_on_hapi
    scene.publish_people(1, after=5)
    scene.house.push_until_quiet()
    scene.make_limits(Limits(connect=2.0, between_bytes=1.0, whole_call=8.0))
    lose_one(scene, Fault("late", wait_after=1.5), first=first)
    settled_and_not_doubled(scene, first=first)


def test_f15_an_answer_that_drips_is_ended_at_the_limit_of_the_call(scene_also_on_hapi: Scene) -> None:
    scene = scene_also_on_hapi
    scene.publish_people(1, after=5)
    scene.house.push_until_quiet()
    # Each byte comes well within the time-out of a read: only the limit on the whole call ends it.
    scene.make_limits(Limits(connect=2.0, between_bytes=2.0, whole_call=2.5))
    drip = Fault("drip", drip_seconds=0.2, override_body=lambda body: body[:45])
    scene.publish_people(1)
    scene.proxy.plan = first_where(holds_the_score(scene), drip)
    began = time.monotonic()
    scene.house.push()
    assert time.monotonic() - began < 2.5 + 3, "the answer itself would have taken nine seconds"
    settled_and_not_doubled(scene, first=True)


@FIRST_WRITE_OR_UPDATE
@pytest.mark.parametrize("length", [0, 200])
def test_f16_a_cut_answer_under_its_true_length_is_unknown_then_settled_once(
    scene_also_on_hapi: Scene, length: int, first: bool
) -> None:
    scene = scene_also_on_hapi
    lose_one(scene, Fault("truncated", truncate_to=length), first=first)
    settled_and_not_doubled(scene, first=first)


@pytest.mark.parametrize(
    "said",
    [b"<!DOCTYPE html><title>Sign in</title>", b"", OUTCOME, b'{"resourceType":"Bundle","entry":[]}', b"[1,"],
    ids=["a page", "nothing", "another type", "no entries", "half of JSON"],
)
@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_f17_a_success_that_says_something_else_is_unknown_then_settled_once(
    scene_also_on_hapi: Scene, said: bytes, alone: bool
) -> None:
    scene = scene_also_on_hapi
    scene.publish_people()
    scene.house.push_until_quiet()
    scene.correct_scores(ks=(1,) if alone else (1, 2))
    scene.proxy.plan = first_where(
        holds_the_score(scene), Fault("another body", override_body=lambda _: said)
    )
    scene.house.push()
    settled_and_not_doubled(scene, first=False)


@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_f17_an_answer_that_names_another_id_is_dead_and_alarms(
    scene_also_on_hapi: Scene, alone: bool
) -> None:
    scene = scene_also_on_hapi
    scene.publish_people()
    scene.house.push_until_quiet()
    scene.correct_scores(ks=(1,) if alone else (1, 2))
    ours = scene.observation.encode()

    def another(body: bytes) -> bytes:
        return body.replace(b'"id":"' + ours.partition(b"/")[2], b'"id":"score-9-9').replace(
            ours, b"Observation/score-9-9"
        )

    scene.proxy.plan = first_where(holds_the_score(scene), Fault("another id", override_body=another))
    scene.house.push()
    assert scene.newest().state.value == "dead"
    (item,) = scene.house.work_items()
    assert (item.role, item.details["reason"]) == (
        "administrator",
        "the destination answered with another id",
    )
    assert scene.house.states().get("pending", 0) == 0, "what did not concern it went on"


@pytest.mark.parametrize(
    "strategy", [WriteStrategy.OUR_ID, WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE]
)
@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_f18_a_201_that_does_not_say_its_version_is_read_back(
    scene_also_on_hapi: Scene, alone: bool, strategy: WriteStrategy
) -> None:
    scene = scene_also_on_hapi
    scene.house.destination = destination(strategy=strategy, entries=1 if alone else 200)
    bare = Fault(
        "bare", strip=frozenset({"etag", "location", "content-location"}), override_body=without_version
    )
    scene.proxy.plan = lambda call: bare if is_write(call) else None
    scene.publish_people(1)
    assert scene.house.push_until_quiet()["sent"] == 9
    scene.proxy.plan = lambda _: None
    with scene.store.read() as books:
        held = books.remote_versions.find_many(scene.house.destination.id, [scene.observation])
    assert held[scene.observation].etag == "1"
    # With the version that was read back the next write is fenced as any other is.
    scene.correct_scores(ks=(1,))
    assert scene.house.push().counts == {"sent": 1}
    assert scene.proxy.seen[-1].method == "PUT"
    scene.expect_all_once()


def without_version(body: bytes) -> bytes:
    """What a server says that keeps versions and does not tell."""
    return without("versionId", "etag", "location")(body)


@FIRST_WRITE_OR_UPDATE
def test_f27_a_500_after_the_ehr_stored_it_is_settled_and_not_stored_again(
    scene_also_on_hapi: Scene, first: bool
) -> None:
    scene = scene_also_on_hapi
    lose_one(scene, Fault("500 after commit", override_status=500), first=first)
    settled_and_not_doubled(scene, first=first)


@FIRST_WRITE_OR_UPDATE
def test_a_request_that_the_network_delivers_twice_has_one_effect(scene: Scene, first: bool) -> None:
    lose_one(scene, Fault("twice", twice=True), first=first)
    assert scene.house.push_until_quiet()["dead"] == 0
    scene.expect_all_once(versions=1 if first else None)
    assert scene.ehr.versions(scene.observation) == (1 if first else 2)
