"""The breaker opens after five failures in a row, lets one probe through at a time, and closes on success."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from fhir_pmp.ehr.connection.breaker import (
    CLOSED,
    HALF_OPEN,
    OPEN,
    OPENS_AFTER,
    PAUSED,
    RECOVERING,
    after_failure,
    after_lane_begun,
    after_probe_sent,
    after_refusal,
    after_success,
    may_call,
    seconds_until_next_lane,
)
from fhir_pmp.store.remote_state.breakers import Breaker

NOW = datetime(2026, 4, 5, 3, 0, tzinfo=UTC)
RNG = Random(11)


def after_failures(count: int, after_seconds: float | None = None) -> Breaker:
    breaker = Breaker()
    for _ in range(count):
        breaker = after_failure(breaker, NOW, "no connection", after_seconds, RNG)
    return breaker


def test_four_failures_leave_it_closed_and_the_fifth_opens_it() -> None:
    assert after_failures(OPENS_AFTER - 1).state == CLOSED
    opened = after_failures(OPENS_AFTER)
    assert (opened.state, opened.opened_at, opened.reason) == (OPEN, NOW, "no connection")
    assert not may_call(opened, NOW)


def test_a_success_forgets_every_failure() -> None:
    assert after_success(after_failures(OPENS_AFTER - 1)) == Breaker()


def test_after_an_outage_what_piled_up_goes_at_a_jittered_pace() -> None:
    breaker, now = after_success(after_failures(OPENS_AFTER)), NOW
    assert breaker == Breaker(RECOVERING)
    gaps = []
    for _ in range(200):
        assert may_call(breaker, now)
        assert seconds_until_next_lane(breaker, now) == 0.0
        breaker = after_lane_begun(breaker, now, 10.0, RNG)
        gaps.append(seconds_until_next_lane(breaker, now))
        now += timedelta(seconds=gaps[-1])
    assert all(0.05 <= gap <= 0.15 for gap in gaps)
    assert len(set(gaps)) > 100
    assert 18 <= sum(gaps) <= 22


def test_a_failure_while_it_recovers_opens_it_again_at_once() -> None:
    assert after_failure(Breaker(RECOVERING), NOW, "no connection", None, RNG).state == OPEN


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(hours=7), timedelta(days=3650)])
def test_a_breaker_that_a_wrong_clock_opened_does_not_outlive_it(ahead: timedelta) -> None:
    wrong = after_failure(Breaker(), NOW + ahead, "no connection", 600.0, RNG)
    assert may_call(wrong, NOW)
    assert not may_call(after_failure(Breaker(), NOW, "no connection", 6 * 3600.0, RNG), NOW)


def test_the_wait_between_probes_doubles_and_never_vanishes() -> None:
    breaker, now = after_failures(OPENS_AFTER), NOW
    for span in (2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        assert breaker.probe_at is not None
        waits = (breaker.probe_at - now).total_seconds()
        assert span / 2 <= waits <= span
        now = breaker.probe_at
        assert may_call(breaker, now)
        breaker = after_failure(
            after_probe_sent(breaker, now, timedelta(seconds=80)), now, "no connection", None, RNG
        )


@pytest.mark.promise("P7")
def test_while_one_probes_nobody_else_does_until_it_has_had_its_time() -> None:
    breaker = after_failures(OPENS_AFTER)
    then = NOW + timedelta(minutes=1)
    probe = after_probe_sent(breaker, then, timedelta(seconds=80))
    assert probe.state == HALF_OPEN
    assert not may_call(probe, then + timedelta(seconds=79))
    assert may_call(probe, then + timedelta(seconds=80))


def test_what_the_server_asks_for_holds_for_everybody_at_once() -> None:
    asked = after_failures(1, after_seconds=600.0)
    assert asked.state == OPEN
    assert not may_call(asked, NOW + timedelta(seconds=599))
    assert may_call(asked, NOW + timedelta(seconds=600))


def test_a_pause_looks_again_after_an_hour() -> None:
    stopped = after_refusal(Breaker(), NOW, "status 403")
    assert stopped.state == PAUSED
    assert not may_call(stopped, NOW + timedelta(minutes=59))
    assert may_call(stopped, NOW + timedelta(minutes=60))
    assert after_probe_sent(stopped, NOW + timedelta(minutes=60), timedelta(seconds=80)).state == PAUSED
