"""Whoever watches over calls cuts off each at its own time, and nobody else's."""

import os
import socket
import warnings
from concurrent.futures import ThreadPoolExecutor

from fhir_pmp.ehr.transport.call_deadline import CallDeadline

LONG = 60.0
SHORT = 0.05


def waits_for_an_answer(seconds: float) -> bool:
    """Whether a call that is never answered was cut off; it gives up by itself after ten seconds."""
    ours, theirs = socket.socketpair()
    with ours, theirs, CallDeadline(seconds) as deadline:
        deadline.watch(ours)
        ours.settimeout(10)
        try:
            ours.recv(1)
        except TimeoutError:
            return False
    return deadline.expired


def test_a_short_call_is_cut_off_before_a_long_one_that_was_begun_first() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, CallDeadline(LONG) as long:
        long.watch(ours)
        assert waits_for_an_answer(SHORT)
        theirs.send(b"x")
        assert ours.recv(1) == b"x"
    assert not long.expired


def test_many_calls_at_once_are_each_cut_off() -> None:
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(waits_for_an_answer, [SHORT * n for n in (3, 1, 2, 1, 4, 1, 2, 1)]))


def test_a_call_that_is_done_is_cut_off_no_more() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with CallDeadline(SHORT) as done:
            done.watch(ours)
        assert waits_for_an_answer(SHORT * 2)  # the time of the first is over as well by now
        theirs.send(b"x")
        assert ours.recv(1) == b"x"
        done.cut()
    assert not done.expired


def test_a_forked_process_watches_over_its_own_calls() -> None:
    assert waits_for_an_answer(SHORT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons: there are threads
        child = os.fork()
    if child == 0:
        os._exit(0 if waits_for_an_answer(SHORT) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
