"""What holds for every answer: order is irrelevant, a complete scale is its prorated self, blanks are never zeros."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_pmp.identifiers import LinkId
from fhir_pmp.instruments.definition import Better, Instrument, Method, Scale
from fhir_pmp.instruments.scoring import compile_scorer, exact_value
from tests.spec import shipped
from tests.spec.cpaq8 import CPAQ8

SCALES = [(instrument, scale) for instrument in shipped.shipped().values() for scale in instrument.scales]
NAMES = [f"{instrument.id}.{scale.id}" for instrument, scale in SCALES]
few = settings(max_examples=40)  # for each of the scales
each_scale = pytest.mark.parametrize(("instrument", "scale"), SCALES, ids=NAMES)


def any_answers(instrument: Instrument) -> st.SearchStrategy[dict[LinkId, int]]:
    """Any answers to the form, each item answered or left blank."""
    each = {item.link_id: st.sampled_from(sorted(item.offered)) for item in instrument.items}
    return st.fixed_dictionaries({}, optional=each)


@each_scale
@few
@given(data=st.data())
def test_the_order_of_answers_is_irrelevant(
    instrument: Instrument, scale: Scale, data: st.DataObject
) -> None:
    answers = data.draw(any_answers(instrument))
    shuffled = dict(data.draw(st.permutations(list(answers.items()))))
    assert compile_scorer(instrument)(answers) == shipped.scorer(instrument.id)(shuffled)


@each_scale
@few
@given(data=st.data())
def test_a_score_counts_its_blanks_and_lies_in_the_range(
    instrument: Instrument, scale: Scale, data: st.DataObject
) -> None:
    answers = data.draw(any_answers(instrument))
    score = shipped.score(instrument.id, scale.id, answers)
    assert score.answered == sum(link_id in answers for link_id in scale.items)
    assert score.answered + score.blanks == len(scale.items)
    scorable = score.blanks <= scale.blanks.allowed and score.answered > 0
    assert (score.value is not None) == (score.published is not None) == scorable
    assert score.prorated == (scorable and score.blanks > 0)
    if score.value is not None:
        assert scale.lowest <= score.value <= scale.highest
        assert (score.band is not None) == bool(scale.band_sets)


@each_scale
@few
@given(data=st.data())
def test_a_complete_scale_equals_its_prorated_self(
    instrument: Instrument, scale: Scale, data: st.DataObject
) -> None:
    answers = {
        link: data.draw(st.sampled_from(sorted(instrument.item(link).offered))) for link in scale.items
    }
    score = shipped.score(instrument.id, scale.id, answers)
    exact = exact_value(scale, sum(answers.values()), len(answers)) * scale.multiplier
    assert score.value == exact
    plain = Fraction(sum(answers.values()) * scale.multiplier)
    assert exact == (plain / len(scale.items) if scale.method is Method.MEAN else plain)


@each_scale
@few
@given(data=st.data())
def test_a_worse_answer_never_makes_a_complete_score_better(
    instrument: Instrument, scale: Scale, data: st.DataObject
) -> None:
    answers = {
        link: data.draw(st.sampled_from(sorted(instrument.item(link).offered))) for link in scale.items
    }
    raised = data.draw(st.sampled_from(scale.items))
    higher = dict(answers) | {raised: max(instrument.item(raised).offered)}
    before = shipped.score(instrument.id, scale.id, answers).value
    after = shipped.score(instrument.id, scale.id, higher).value
    assert before is not None and after is not None and after >= before


@pytest.mark.parametrize(("name", "blanks"), [("phq9", 2), ("gad7", 2)])
def test_every_pattern_of_blanks(name: str, blanks: int) -> None:
    scale = shipped.scale(name, "total")
    for pattern in product([True, False], repeat=len(scale.items)):
        missing = pattern.count(False)
        answers = {link: 1 for link, answered in zip(scale.items, pattern, strict=True) if answered}
        score = shipped.score(name, "total", answers)
        # Everybody answers 1, so whatever is left out stands for 1: the total is the number of items.
        expected = Fraction(len(scale.items)) if missing <= blanks else None
        assert (score.value, score.blanks) == (expected, missing)


@given(data=st.data())
def test_reversing_twice_is_nothing(data: st.DataObject) -> None:
    answers = data.draw(any_answers(CPAQ8))
    turned = {link: 6 - answer if "-pw" in link else answer for link, answer in answers.items()}
    twice = {link: 6 - answer if "-pw" in link else answer for link, answer in turned.items()}
    assert compile_scorer(CPAQ8)(answers) == compile_scorer(CPAQ8)(twice)


@each_scale
@few
@given(data=st.data())
def test_a_change_there_and_back_gives_mirrored_verdicts(
    instrument: Instrument, scale: Scale, data: st.DataObject
) -> None:
    steps = st.integers(int(scale.lowest), int(scale.highest))
    before, after = data.draw(steps), data.draw(steps)
    mirror = {"improved": "worsened", "worsened": "improved", "unchanged": "unchanged"}
    there = shipped.verdicts(instrument.id, scale.id, before, after)
    back = shipped.verdicts(instrument.id, scale.id, after, before)
    for rule in scale.changes:
        if rule.percent is None and not rule.grades:  # a percentage is of another baseline on the way back
            assert back[rule.rule.rule_id] == mirror[there[rule.rule.rule_id]]


@each_scale
@few
@given(data=st.data())
def test_improved_always_means_the_better_direction(
    instrument: Instrument, scale: Scale, data: st.DataObject
) -> None:
    steps = st.integers(int(scale.lowest), int(scale.highest))
    before, after = data.draw(steps), data.draw(steps)
    found: Mapping[str, str] = shipped.verdicts(instrument.id, scale.id, before, after)
    rose = after > before
    for verdict in found.values():
        if verdict.startswith(("improved", "worsened")):
            assert verdict.startswith("improved") == (rose == (scale.better is Better.HIGHER))
