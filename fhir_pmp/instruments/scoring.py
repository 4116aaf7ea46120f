"""Checks answers and computes scores, exactly, with tables compiled once per instrument."""

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from operator import itemgetter

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.identifiers import LinkId
from fhir_pmp.instruments.bands import published_band
from fhir_pmp.instruments.definition import Answers, Instrument, Item, Method, Rule, RuleStatus, Scale, Score

Scorer = Callable[[Answers], tuple[Score, ...]]
Checker = Callable[[Mapping[str, object]], Answers]

_WHOLE_NUMBERS = {int}
_LINK_ID = re.compile("[a-z0-9_]{1,32}-[a-z0-9_]{1,32}")
"""The form of our linkIds. A message does not repeat another name, because it may contain personal data."""


class AnswersNotUnderstood(NotUnderstood):
    """These answers do not fit the instrument, and none was stored. The sender corrects them."""


class AnswerNotOffered(AnswersNotUnderstood):
    """An item does not offer this answer. Leave out missing answers (codes such as -2, -4, -5, 99)."""


class UnknownItem(AnswersNotUnderstood):
    """An answer is given to an item that the instrument does not have."""


def check_answers(instrument: Instrument, answers: Mapping[str, object]) -> Answers:
    """Checks that each answer is offered by its item; a blank item is absent.

    Raises UnknownItem or AnswerNotOffered with every fault of the answers, each named by its linkId.
    """
    return compile_checker(instrument)(answers)


def compile_checker(instrument: Instrument) -> Checker:
    """Compiles `check_answers` for one instrument; its tables are computed once."""
    offered = {(str(item.link_id), value) for item in instrument.items for value in item.offered}
    pairs = frozenset(offered)

    def check(answers: Mapping[str, object]) -> Answers:
        # The types first: True and 1.0 are equal to 1, but neither is a valid answer.
        if _WHOLE_NUMBERS.issuperset(map(type, answers.values())) and pairs.issuperset(answers.items()):
            return dict(answers)  # type: ignore[arg-type]
        raise _answers_error(instrument, answers)

    return check


def compile_scorer(instrument: Instrument) -> Scorer:
    """Compiles a function that computes one score for each scale, in the instrument's order.

    Scores are cached by (sum, number answered), because a score depends on nothing else.
    """
    scorers = tuple(_compile_scale(instrument, scale) for scale in instrument.scales)
    if len(scorers) == 1:
        only = scorers[0]
        return lambda answers: (only(answers),)
    return lambda answers: tuple([score(answers) for score in scorers])


def exact_value(scale: Scale, total: int, answered: int) -> Fraction:
    """Returns the exact value, before rounding and multiplier, from the sum of the answered items.

    The person's mean replaces each blank; a complete scale is unaffected (clinical.md 2.2).
    """
    if scale.method is Method.MEAN:
        return Fraction(total, answered)
    return Fraction(total * len(scale.items), answered)


def zero_based_score(scale: Scale, value: Fraction) -> Fraction:
    """Returns the score counted from 0.

    The United States report the K10 as 0-40, ten less than Australia.
    """
    return value - scale.lowest


def round_half_up(value: Fraction) -> int:
    """Returns the nearest whole number, halves upwards.

    Not round(): it takes 4.5 to 4, which on the PHQ-9 is a whole band too mild.
    """
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def decimal_text(value: Fraction, places: int = 2) -> str:
    """Returns the number as decimal text with `places` decimals; halves are rounded away from zero."""
    scaled = round_half_up(abs(value) * 10**places)
    whole, part = divmod(scaled, 10**places)
    sign = "-" if value < 0 and scaled else ""
    return f"{sign}{whole}.{part:0{places}}" if places else f"{sign}{whole}"


def published_text(scale: Scale, value: Fraction) -> str:
    """Returns a score or change as published: "13" on whole-number scales, "4.71" on means."""
    return decimal_text(value, 0 if scale.whole else 2)


class _ScoreCache(dict[int, Score]):
    """Caches the scores of one scale, for one number of answered items, by the sum of the answers."""

    __slots__ = ("_answered", "_scale")

    def __init__(self, scale: Scale, answered: int) -> None:
        super().__init__()
        self._scale = scale
        self._answered = answered

    def __missing__(self, total: int) -> Score:
        score = self[total] = _build_score(self._scale, total, self._answered)
        return score


def _compile_scale(instrument: Instrument, scale: Scale) -> Callable[[Answers], Score]:
    link_ids = scale.items
    score_caches = tuple(_ScoreCache(scale, answered) for answered in range(len(link_ids) + 1))

    def score_any(answers: Answers) -> Score:
        points = [answers[link_id] for link_id in link_ids if link_id in answers]
        return score_caches[len(points)][sum(points)]

    if scale.reversed:
        return _with_reversed_items(instrument, scale, score_any)
    if len(link_ids) < 2:
        return score_any
    pick_answers, complete_scores = itemgetter(*link_ids), score_caches[-1]

    def score(answers: Answers) -> Score:
        try:
            given = pick_answers(answers)
        except KeyError:
            return score_any(answers)
        return complete_scores[sum(given)]

    return score


def _with_reversed_items(
    instrument: Instrument, scale: Scale, score: Callable[[Answers], Score]
) -> Callable[[Answers], Score]:
    """Scores the answers with reversed items inverted: the highest answer counts as the lowest."""
    reversal_sums = {link_id: item.lowest + item.highest for link_id, item in instrument.items_by_id.items()}

    def score_reversed(answers: Answers) -> Score:
        return score(
            {
                **answers,
                **{key: reversal_sums[key] - answers[key] for key in scale.reversed if key in answers},
            }
        )

    return score_reversed


def _build_score(scale: Scale, total: int, answered: int) -> Score:
    blanks = len(scale.items) - answered
    rules = [scale.rule, scale.blanks.rule] if blanks else [scale.rule]
    if not answered or blanks > scale.blanks.allowed:
        return Score(scale.id, None, None, None, answered, blanks, False, _unconfirmed(rules))
    exact = exact_value(scale, total, answered)
    # Rounded before it is doubled: a DASS-21 score is twice a whole number, and its bands cover only such scores.
    value = (Fraction(round_half_up(exact)) if scale.whole else exact) * scale.multiplier
    band = published_band(scale, value)
    if band is not None:
        rules.append(scale.band_sets[0].rule)
    return Score(
        scale=scale.id,
        value=value,
        published=published_text(scale, value),
        band=band.label if band is not None else None,
        answered=answered,
        blanks=blanks,
        prorated=blanks > 0,
        unconfirmed=_unconfirmed(rules),
    )


def _unconfirmed(applied: list[Rule]) -> tuple[str, ...]:
    return tuple(rule.rule_id for rule in applied if rule.status is RuleStatus.UNCONFIRMED)


def _answers_error(instrument: Instrument, answers: Mapping[str, object]) -> AnswersNotUnderstood:
    unknown = [
        Fault(name if _LINK_ID.fullmatch(name) else "?", "is not an item of this instrument")
        for name in answers
        if name not in instrument.items_by_id
    ]
    wrong = [
        Fault(name, _offered_text(item))
        for name, item in ((name, instrument.items_by_id.get(LinkId(name))) for name in answers)
        if item is not None and not item.offers(answers[name])
    ]
    kind = UnknownItem if unknown else AnswerNotOffered
    return kind(faults=[*unknown, *wrong])


def _offered_text(item: Item) -> str:
    return f"is not an answer that is offered (whole numbers {min(item.offered)} to {max(item.offered)})"
