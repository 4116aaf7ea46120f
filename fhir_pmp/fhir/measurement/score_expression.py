"""A scale's scoring as a FHIRPath expression that any reader of the Questionnaire can run over a response."""

from collections.abc import Iterable

from fhir_pmp.fhir.terminology.systems import ITEM_WEIGHT
from fhir_pmp.instruments.definition import Instrument, Item, Method, RuleStatus, Scale


def score_expression(instrument: Instrument, scale: Scale) -> str | None:
    """The expression: %resource is the response, %questionnaire its Questionnaire, where the weights stand.

    It returns nothing when the blanks rule fails, as the scorer does. An UNCONFIRMED blanks rule is not stated: then
    only a complete form has a score. None for a scale that rests on an UNCONFIRMED scoring rule throughout.
    """
    if scale.rule.status is RuleStatus.UNCONFIRMED:
        return None
    items = len(scale.items)
    allowed = 0 if scale.blanks.rule.status is RuleStatus.UNCONFIRMED else scale.blanks.allowed
    answered = f"%resource.item.where(linkId in ({_union_of(scale.items)})).answer.count()"
    total = _total(scale, [instrument.item(link_id) for link_id in scale.items])
    return f"iif({answered} >= {items - allowed}, {_scored(scale, total, answered, allowed)})"


def _scored(scale: Scale, total: str, answered: str, allowed: int) -> str:
    # Halves upwards by whole-number division: round() means different things to different engines.
    if scale.method is Method.MEAN:
        value = f"((200 * {total} + {answered}) div (2 * {answered})) / 100"
    elif allowed:
        value = f"((2 * {len(scale.items)} * {total} + {answered}) div (2 * {answered}))"
    else:
        value = total
    return value if scale.multiplier == 1 else f"{value} * {scale.multiplier}"


def _total(scale: Scale, items: list[Item]) -> str:
    first, *rest = (_points(scale, item) for item in items)
    combined = first + "".join(f".combine({points})" for points in rest)
    return f"({combined}).aggregate($this + $total, 0)"


def _points(scale: Scale, item: Item) -> str:
    answer = f"%resource.item.where(linkId = '{item.link_id}').answer.value"
    if item.options:
        # The weight of the option that was chosen, as the Questionnaire states it.
        offered = f"%questionnaire.item.where(linkId = '{item.link_id}').answerOption"
        chosen = f"{offered}.where(value.code = {answer}.code)"
        answer = f"{chosen}.extension.where(url = '{ITEM_WEIGHT}').value"
    if item.link_id in scale.reversed:
        return f"{answer}.select({item.lowest + item.highest} - $this)"
    return answer


def _union_of(link_ids: Iterable[str]) -> str:
    return " | ".join(f"'{link_id}'" for link_id in link_ids)
