"""Judges a history: a pure function from what happened to what of it breaks a promise."""

from collections.abc import Callable, Iterator, Mapping

from tests.soak.checks.house import acts_are_audited, flag_with_its_response, one_holder
from tests.soak.checks.leaving import no_loss, order_per_person
from tests.soak.checks.load import spares_the_sick
from tests.soak.checks.names import Names
from tests.soak.checks.standing import (
    no_going_back,
    nothing_overwritten,
    nothing_twice,
    only_with_consent,
    right_patient,
    targets_first,
)
from tests.soak.checks.violation import Violation
from tests.soak.history import History

Rule = Callable[[History, Names], Iterator[Violation]]

RULES: Mapping[str, Rule] = {
    "no_loss": no_loss,
    "nothing_twice": nothing_twice,
    "no_going_back": no_going_back,
    "nothing_overwritten": nothing_overwritten,
    "order_per_person": order_per_person,
    "targets_first": targets_first,
    "right_patient": right_patient,
    "only_with_consent": only_with_consent,
    "spares_the_sick": spares_the_sick,
    "flag_with_its_response": flag_with_its_response,
    "one_holder": one_holder,
    "acts_are_audited": acts_are_audited,
}
"""The promises of docs/guarantees.md that a history can break."""


def judge(history: History) -> list[Violation]:
    """Everything in it that breaks a promise, in order; nothing for a good one."""
    names = Names(history)
    found = [violation for rule in RULES.values() for violation in rule(history, names)]
    return sorted(found, key=lambda violation: violation.at)
