"""Targets go first, and what hangs on a refused resource is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.ehr.push.send_order import dependants, targets_first

NAMES = [f"Observation/o-{n}" for n in range(8)]


def test_a_response_goes_before_the_scores_derived_from_it() -> None:
    refers = {
        "Observation/o": ["QuestionnaireResponse/r", "Patient/p"],
        "QuestionnaireResponse/r": ["Patient/p"],
    }
    given_ = ["Observation/o", "QuestionnaireResponse/r", "Patient/p"]
    assert targets_first(given_, refers) == ["Patient/p", "QuestionnaireResponse/r", "Observation/o"]


@pytest.mark.promise("P4")
@given(st.permutations(NAMES), st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7))))
def test_every_target_stands_before_what_refers_to_it(order: list[str], pairs: set[tuple[int, int]]) -> None:
    refers: dict[str, list[str]] = {}
    for a, b in pairs:
        if a > b:  # no circles
            refers.setdefault(NAMES[a], []).append(NAMES[b])
    ordered = targets_first(order, refers)
    assert sorted(ordered) == sorted(NAMES)
    assert all(
        ordered.index(target) < ordered.index(one) for one, targets in refers.items() for target in targets
    )


@given(st.permutations(NAMES), st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7))))
def test_a_circle_loses_and_doubles_nobody(order: list[str], pairs: set[tuple[int, int]]) -> None:
    refers: dict[str, list[str]] = {}
    for a, b in pairs:
        refers.setdefault(NAMES[a], []).append(NAMES[b])
    assert sorted(targets_first(order, refers)) == sorted(NAMES)


def test_dependants_are_found_through_others() -> None:
    refers = {"B/1": ["A/1"], "C/1": ["B/1"], "D/1": ["E/1"]}
    assert dependants(["A/1"], refers) == {"B/1", "C/1"}
