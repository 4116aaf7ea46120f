"""Reduces sampling noise, so that a few hundred people resemble the whole cohort.

Shares (who starts, how many lessons, who answers) come from a Kronecker sequence: the fractional part of
`shift + (i + 1) * sqrt(prime)`, uniform over the seeds, which fills the range far more evenly than chance does.

Traits come in antithetic pairs: two people fifty places apart share the course of the programme, and one lies as far
above the average as the other below it. Both depend only on the seed and the person's number.
"""

from math import sqrt
from random import Random

_STEPS = {
    "enrolled": sqrt(2),
    "starts": sqrt(3),
    "lessons": sqrt(5),
    "answers_post": sqrt(7),
    "satisfied": sqrt(11),
    "referred": sqrt(13),
}
_APART = 50


class LowDiscrepancyShares:
    """The low-discrepancy shares of one seed."""

    def __init__(self, seed: int) -> None:
        rng = Random(f"{seed}/even spread")
        self._shifts = {name: rng.random() for name in _STEPS}

    def share(self, name: str, number: int) -> float:
        """Returns a number in [0, 1) for the person, or pair, of this number."""
        return (self._shifts[name] + (number + 1) * _STEPS[name]) % 1.0


def antithetic_pair(number: int) -> tuple[int, int]:
    """Returns the pair of person `number`, and the person's sign in it: 1 or -1."""
    block, place = divmod(number, 2 * _APART)
    return block * _APART + place % _APART, 1 if place < _APART else -1
