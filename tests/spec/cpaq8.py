"""The CPAQ-8 as far as its vectors need it: not shipped, because the reversal of its items is not confirmed."""

from fractions import Fraction

from fhir_pmp.identifiers import InstrumentId, LinkId, ScaleId
from fhir_pmp.instruments.definition import (
    Better,
    BlanksRule,
    Instrument,
    Item,
    Method,
    Rights,
    Rule,
    RuleStatus,
    Scale,
)

ENGAGEMENT = tuple(LinkId(f"cpaq8-ae{number}") for number in range(1, 5))
WILLINGNESS = tuple(LinkId(f"cpaq8-pw{number}") for number in range(1, 5))


def _rule(name: str, status: RuleStatus) -> Rule:
    return Rule(f"cpaq8.{name}", 1, status, "ResRef; J Pain 2013;14:233")


def _scale(name: str, items: tuple[LinkId, ...], part_of: ScaleId | None = None) -> Scale:
    return Scale(
        id=ScaleId(name),
        title=name,
        items=items,
        reversed=frozenset(items) & frozenset(WILLINGNESS),
        method=Method.SUM,
        multiplier=1,
        whole=True,
        lowest=Fraction(0),
        highest=Fraction(6 * len(items)),
        better=Better.HIGHER,
        blanks=BlanksRule(_rule(f"{name}.blanks", RuleStatus.POLICY), 0),
        rule=_rule(f"{name}.score", RuleStatus.UNCONFIRMED),
        band_sets=(),
        changes=(),
        headline_rule=None,
        codings=(),
        part_of=part_of,
    )


CPAQ8 = Instrument(
    id=InstrumentId("cpaq8"),
    version="1",
    title="Chronic Pain Acceptance Questionnaire-8",
    recall=None,
    source="ResRef; J Pain 2013;14:233",
    rights=Rights(False, "No clear grant was found", "No statement by an owner was found"),
    items=tuple(Item(link_id, link_id, None, (), 0, 6) for link_id in ENGAGEMENT + WILLINGNESS),
    scales=(
        _scale("total", ENGAGEMENT + WILLINGNESS),
        _scale("ae", ENGAGEMENT, ScaleId("total")),
        _scale("pw", WILLINGNESS, ScaleId("total")),
    ),
    safety_items=(),
    codings=(),
)
