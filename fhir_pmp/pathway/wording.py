"""The plain words of an outcome, each made in one place: dates, numbers, directions, absences, the result line."""

from datetime import date
from fractions import Fraction

_MONTHS = (
    "January February March April May June July August September October November December"
).split()  # fmt: skip


def plain_date(day: date) -> str:
    """A date as a letter writes it: "5 April 2026", whatever the machine's locale."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def decimal_text(value: Fraction, places: int) -> str:
    """The exact number with so many decimals, half rounded away from zero, so that a rise mirrors a fall."""
    scaled = abs(value) * 10**places
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    whole, rest = divmod(units, 10**places)
    text = f"{whole}.{rest:0{places}d}" if places else str(whole)
    return f"-{text}" if value < 0 and units else text


def points_words(points: Fraction, whole: bool) -> str:
    """A change in plain direction words: "rose by 11 points", "fell by 1.14 points", "stayed the same"."""
    if points == 0:
        return "stayed the same"
    amount = decimal_text(abs(points), 0 if whole else 2)
    return f"{'rose' if points > 0 else 'fell'} by {amount} {'point' if amount == '1' else 'points'}"


def result_words(improved: int, unchanged: int, worsened: int, not_known: int) -> str:
    """The result line of a letter."""
    m = improved + unchanged + worsened + not_known
    measures = "measure" if m == 1 else "measures"
    return (
        f"Of {m} {measures}: {improved} improved, {unchanged} unchanged, {worsened} worsened, {not_known} not known"
    )
