"""Writes a scale's scoring as a FHIRPath expression for readers of the Questionnaire."""

from collections.abc import Iterable

from fhir_pmp.fhir.terminology.systems import ITEM_WEIGHT
from fhir_pmp.instruments.definition import Instrument, Item, Method, RuleStatus, Scale


def score_expression(instrument: Instrument, scale: Scale) -> str | None:
    """Returns the FHIRPath expression; %resource is the response, %questionnaire has the weights.

    Like our scorer, it returns nothing if there are too many blanks. An UNCONFIRMED blanks rule is left out: then only
    a complete form has a score. None for a scale whose scoring rule is UNCONFIRMED.
    """
    if scale.rule.status is RuleStatus.UNCONFIRMED:
        return None
    items = len(scale.items)
    allowed = 0 if scale.blanks.rule.status is RuleStatus.UNCONFIRMED else scale.blanks.allowed
    answered = f"%resource.item.where(linkId in ({_union_of(scale.items)})).answer.count()"
    total = _total(scale, [instrument.item(link_id) for link_id in scale.items])
    return f"iif({answered} >= {items - allowed}, {_scored(scale, total, answered, allowed)})"


def _scored(scale: Scale, total: str, answered: str, allowed: int) -> str:
    # Rounds half up by whole-number division: FHIRPath engines implement round() differently.
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
