"""An EHR that polls by _lastUpdated misses nothing, also of what was being published while it looked."""

import threading
from datetime import timedelta

import pytest

from fhir_pmp.store.errors import StoreBusy
from tests.integration.web.web_harness import WebHarness, next_link, observation, resource_ids


class _Poller(threading.Thread):
    """Reads everything newer than the newest it has seen, over and over, until it is told to look a last time."""

    def __init__(self, harness: WebHarness) -> None:
        super().__init__(daemon=True)
        self._harness = harness
        self._newest = "1990-01-01T00:00:00Z"
        self._last_time = threading.Event()
        self.seen: list[str] = []
        self.polls = 0

    def run(self) -> None:
        last = False
        while not last:
            last = self._last_time.is_set()
            self._poll()
            self.polls += 1

    def finish(self) -> list[str]:
        """What it has seen, after one more look."""
        self._last_time.set()
        self.join(60)
        assert not self.is_alive()
        return self.seen

    def _poll(self) -> None:
        url = f"/fhir/Observation?_sort=_lastUpdated&_count=2&_lastUpdated=gt{self._newest}"
        while url:
            answer = self._harness.get("ehr", url)
            if (
                answer.status_code == 503
            ):  # on SQLite an open publish holds up the audit row of the look itself
                continue
            bundle = answer.json
            assert bundle is not None
            self.seen += resource_ids(bundle)
            for entry in bundle.get("entry", []):
                self._newest = max(self._newest, entry["resource"]["meta"]["lastUpdated"])
            url = next_link(bundle) or ""


class _Publish(threading.Thread):
    """Publishes in a transaction that stays open until it is released."""

    def __init__(self, harness: WebHarness, id: str, later_by: timedelta) -> None:
        super().__init__(daemon=True)
        self._harness, self._id, self._now = harness, id, harness.clock.now + later_by
        self.is_open, self.released = threading.Event(), threading.Event()
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            with self._harness.store.begin() as uow:
                self._harness.publisher.publish(uow, [observation(self._id, "a")], now=self._now)
                self.is_open.set()
                self.released.wait(30)
        except StoreBusy as busy:
            self.failed = busy


@pytest.mark.promise("P13")
def test_nothing_is_missed_while_two_publishes_are_open(harness: WebHarness) -> None:
    harness.enrol("a")
    harness.publish(observation("before", "a"))
    poller = _Poller(harness)
    poller.start()
    # The second says a much later time than the first, and may end as soon as it likes.
    first = _Publish(harness, "first", timedelta(seconds=1))
    second = _Publish(harness, "second", timedelta(minutes=5))
    first.start()
    assert first.is_open.wait(10)
    second.start()
    second.released.set()
    second.join(1)
    assert "first" not in poller.seen  # it is not committed
    first.released.set()
    first.join(15)
    second.join(15)
    assert (first.failed, second.failed) == (None, None)
    assert sorted(poller.finish()) == ["before", "first", "second"]
    assert poller.polls >= 2


@pytest.mark.promise("P13")
def test_nothing_is_missed_while_many_publish_and_clocks_disagree(harness: WebHarness) -> None:
    harness.enrol("a")
    threads = []
    for number in range(4):

        def publish(number: int = number) -> None:
            for n in range(6):
                # Processes whose clocks differ by minutes, one of them going backwards.
                now = harness.clock.now + timedelta(minutes=number * (1 if number % 2 else -1), seconds=n)
                with harness.store.begin() as uow:
                    harness.publisher.publish(uow, [observation(f"o-{number}-{n}", "a")], now=now)

        threads.append(threading.Thread(target=publish, daemon=True))
    poller = _Poller(harness)
    poller.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(poller.finish()) == sorted(f"o-{number}-{n}" for number in range(4) for n in range(6))
