"""Words dates, answers, changes and result lines as letters and pages show them."""

from datetime import date
from fractions import Fraction

from fhir_pmp.instruments.definition import Item, Scale
from fhir_pmp.instruments.scoring import published_text

NOT_ANSWERED = "not answered"
"""The wording for a blank item of a received response: a blank is neither a zero nor good news."""

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def plain_date(day: date) -> str:
    """Returns a date as letters write it: "5 April 2026", independent of the machine's locale."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def label_words(item: Item, answer: int) -> str:
    """Returns the answer's label in running text: "very satisfied"; for a 0-10 item the number."""
    label = next((option.label for option in item.options if option.value == answer), str(answer))
    return label[:1].lower() + label[1:]


def answer_words(item: Item, answer: int) -> str:
    """Returns an answer as label and value, for example "not at all (0)".

    If the label is the number, the number alone.
    """
    label = label_words(item, answer)
    return label if label == str(answer) else f"{label} ({answer})"


def points_words(scale: Scale, points: Fraction) -> str:
    """Words a change: "rose by 11 points", "fell by 2.14 points", "stayed the same"."""
    if points == 0:
        return "stayed the same"
    amount = published_text(scale, abs(points))
    return f"{'rose' if points > 0 else 'fell'} by {amount} {'point' if amount == '1' else 'points'}"


def result_words(improved: int, unchanged: int, worsened: int, not_known: int) -> str:
    """Returns the result line of a letter, from the number of measures with each outcome."""
    m = improved + unchanged + worsened + not_known
    measures = "measure" if m == 1 else "measures"
    return f"Of {m} {measures}: {improved} improved, {unchanged} unchanged, {worsened} worsened, {not_known} not known"
