"""Ratios are of rounds taken in turns, and a target is judged by their middle. No test asks a clock."""

import pytest

from bench.measurement import Spread, ratios, run_interleaved
from bench.report import ReportLine


def test_who_is_first_is_last_in_the_next_round() -> None:
    order: list[str] = []
    gave = run_interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert {side: len(values) for side, values in gave.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_taken_round_by_round() -> None:
    assert ratios([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == Spread(median=2.0, least=1.0, most=3.0)


def test_a_side_that_missed_a_round_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("line", "is_reached"),
    [
        (ReportLine("b", "w", Spread(0.5, 0.1, 0.9), target=0.5), True),
        (ReportLine("b", "w", Spread(0.49, 0.1, 0.9), target=0.5), False),
        (ReportLine("b", "w", Spread(300.0, 1, 400), at_most=300), True),
        (ReportLine("b", "w", Spread(301.0, 1, 400), at_most=300), False),
        (ReportLine("b", "w", Spread(1.0, 1, 1)), None),
    ],
)
def test_the_middle_decides_whether_a_target_is_reached(line: ReportLine, is_reached: bool | None) -> None:
    assert line.is_reached is is_reached
    assert line.as_json()["reached"] is is_reached
