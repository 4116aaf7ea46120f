"""Judges a history: a pure function from what happened to what of it breaks a promise."""

from collections.abc import Callable, Iterator, Mapping

from tests.soak.checks.call_rate import backs_off_from_failing_ehr
from tests.soak.checks.database_invariants import (
    flag_with_its_response,
    one_lease_holder_per_lane,
    replays_are_audited,
)
from tests.soak.checks.delivery_rules import no_loss, order_per_person
from tests.soak.checks.ehr_content_rules import (
    no_duplicates,
    no_foreign_edit_overwritten,
    no_version_rollback,
    only_with_consent,
    referenced_resources_first,
    right_patient,
)
from tests.soak.checks.resource_matching import ResourceMatcher
from tests.soak.checks.violation import Violation
from tests.soak.history import History

Rule = Callable[[History, ResourceMatcher], Iterator[Violation]]

RULES: Mapping[str, Rule] = {
    "no_loss": no_loss,
    "no_duplicates": no_duplicates,
    "no_version_rollback": no_version_rollback,
    "no_foreign_edit_overwritten": no_foreign_edit_overwritten,
    "order_per_person": order_per_person,
    "referenced_resources_first": referenced_resources_first,
    "right_patient": right_patient,
    "only_with_consent": only_with_consent,
    "backs_off_from_failing_ehr": backs_off_from_failing_ehr,
    "flag_with_its_response": flag_with_its_response,
    "one_lease_holder_per_lane": one_lease_holder_per_lane,
    "replays_are_audited": replays_are_audited,
}
"""The promises of docs/guarantees.md that a history can break."""


def check_history(history: History) -> list[Violation]:
    """Everything in it that breaks a promise, in order; nothing for a good one."""
    matcher = ResourceMatcher(history)
    found = [violation for rule in RULES.values() for violation in rule(history, matcher)]
    return sorted(found, key=lambda violation: violation.at)
