"""Two devices that make any few hundred people resemble the whole cohort, and keep chance out of the published figures.

Shares (who starts, how many lessons, who answers) come from a Kronecker sequence: the fractional part of
`shift + (i + 1) * sqrt(prime)`, uniform over the seeds, which fills the range far more evenly than chance does.

Traits come in mirrored pairs: two people fifty places apart share the course of the programme, and one feels as much
above the average as the other below it. Both depend on the seed and the person's number only.
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
    """The evenly spread shares of one seed."""

    def __init__(self, seed: int) -> None:
        rng = Random(f"{seed}/even spread")
        self._shifts = {name: rng.random() for name in _STEPS}

    def share(self, name: str, number: int) -> float:
        """A number from 0 up to 1 for the person, or pair, of this number."""
        return (self._shifts[name] + (number + 1) * _STEPS[name]) % 1.0


def antithetic_pair(number: int) -> tuple[int, int]:
    """The pair that person `number` belongs to, and their side of it: 1 or -1."""
    block, place = divmod(number, 2 * _APART)
    return block * _APART + place % _APART, 1 if place < _APART else -1
