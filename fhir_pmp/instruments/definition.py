"""Defines a questionnaire as data: items, scales, blanks rules, bands, change rules and codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from fhir_pmp.identifiers import InstrumentId, LinkId, ScaleId


class RuleStatus(StrEnum):
    """How well a rule's source is established (clinical.md section 0)."""

    VERIFIED = "verified"
    UNCONFIRMED = "unconfirmed"
    DERIVED = "derived"
    POLICY = "policy"


class Better(StrEnum):
    """The direction in which a scale improves; every improvement is computed from it."""

    LOWER = "lower"
    HIGHER = "higher"


class Method(StrEnum):
    """How the answered items are combined into one number."""

    SUM = "sum"
    MEAN = "mean"


class ChangeKind(StrEnum):
    """The kinds of change rule (clinical.md 4.2-4.6)."""

    POINTS = "points"  # at least `points` either way
    POINTS_AND_BAND = "points_and_band"  # at least `points` and a different band of band set `bands`
    PERCENT = "percent"  # at least `percent` of the baseline
    PERCENT_GRADED = (
        "percent_graded"  # `grades`: label -> smallest percent; the lowest grade is the smallest change
    )
    RELIABLE_SEM = "reliable_sem"  # |change| / (sqrt(2) * sem) > 1.96, strict


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its source.

    Every computed result names the id and version of its rule.
    """

    rule_id: str
    version: int
    status: RuleStatus
    source: str


@dataclass(frozen=True, slots=True)
class Coding:
    """A code of a terminology, as FHIR's Coding."""

    system: str
    code: str
    display: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One offered answer of a verbal item: its weight, label and accepted codes."""

    value: int
    label: str
    codings: tuple[Coding, ...] = ()  # the first is written; all are accepted in incoming data


@dataclass(frozen=True, slots=True)
class Item:
    """One question: verbal items have `options`, other items take whole numbers in a range.

    The range is `lowest` to `highest`, for example 0-10.
    """

    link_id: LinkId
    label: str  # our short label, never licensed wording
    text: str | None  # the published wording, only where rights allow or the operator supplied it
    options: tuple[Option, ...]  # empty: an integer item
    lowest: int
    highest: int
    codings: tuple[Coding, ...] = ()
    offered: frozenset[int] = field(init=False, repr=False, compare=False)
    """The whole numbers that are valid answers; computed once."""

    def __post_init__(self) -> None:
        values = [option.value for option in self.options] or range(self.lowest, self.highest + 1)
        object.__setattr__(self, "offered", frozenset(values))

    def offers(self, value: object) -> bool:
        """Whether the value is a valid answer of the item.

        It is an int (no bool, no float) that the item offers.
        """
        return type(value) is int and value in self.offered


@dataclass(frozen=True, slots=True)
class BlanksRule:
    """How many items of a scale may be blank, with the source of the rule."""

    rule: Rule
    allowed: int  # with more blanks the scale has no score


@dataclass(frozen=True, slots=True)
class Band:
    """One severity band: scores from `lowest` (included) up to `highest`."""

    label: str
    lowest: Fraction
    lowest_included: bool
    highest: Fraction
    highest_included: bool

    def holds(self, value: Fraction) -> bool:
        """Whether the exact score is in this band."""
        above = value >= self.lowest if self.lowest_included else value > self.lowest
        below = value <= self.highest if self.highest_included else value < self.highest
        return above and below


@dataclass(frozen=True, slots=True)
class BandSet:
    """A named set of bands that covers a scale's range without gap or overlap."""

    id: str
    rule: Rule
    bands: tuple[Band, ...]

    def band_of(self, value: Fraction) -> Band:
        """Returns the band that holds the exact score. Raises ValueError outside the scale's range."""
        for band in self.bands:
            if band.holds(value):
                return band
        raise ValueError(f"no band of {self.rule.rule_id} holds a score outside the range")


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """One named rule that judges a change; a scale may have several rules that disagree."""

    rule: Rule
    title: str  # as shown to clinicians: "ePPOC: 7 points and another band"
    kind: ChangeKind
    points: Fraction | None = None
    percent: Fraction | None = None
    grades: tuple[tuple[str, Fraction], ...] = ()  # ascending
    sem: Fraction | None = None
    bands: str | None = None  # the band set of POINTS_AND_BAND


@dataclass(frozen=True, slots=True)
class Scale:
    """One scale of an instrument: its items, scoring, direction, bands and change rules."""

    id: ScaleId
    title: str
    items: tuple[LinkId, ...]
    reversed: frozenset[LinkId]
    method: Method
    multiplier: int  # 2 for DASS-21, else 1
    whole: bool  # published as a whole number (rounded half up after proration); else two decimals
    lowest: Fraction
    highest: Fraction
    better: Better
    blanks: BlanksRule
    rule: Rule  # the scoring rule itself
    band_sets: tuple[BandSet, ...]  # the first is published and shown
    changes: tuple[ChangeRule, ...]
    headline_rule: str | None  # rule_id of the change rule that result lines count
    codings: tuple[
        Coding, ...
    ]  # LOINC and SNOMED CT codes that are VERIFIED; the folder fhir adds our own code
    part_of: ScaleId | None = None  # the scale this is a sub-scale of


@dataclass(frozen=True, slots=True)
class SafetyItem:
    """An item whose answer is shown separately from any total (clinical.md section 5)."""

    item: LinkId
    flag_from: int | None  # the smallest answer that raises a Flag; None: no published threshold, so no Flag
    rule: Rule


@dataclass(frozen=True, slots=True)
class Rights:
    """Whether the repository may contain the wording, with the evidence."""

    ship_wording: bool
    statement: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Instrument:
    """A published questionnaire with its items, scales, rules and rights."""

    id: InstrumentId
    version: str
    title: str
    recall: str | None  # "24h", "7d", "2w", "4w" or None
    source: str
    rights: Rights
    items: tuple[Item, ...]
    scales: tuple[Scale, ...]
    safety_items: tuple[SafetyItem, ...]
    codings: tuple[Coding, ...]  # the panel's codes
    notices: tuple[str, ...] = ()  # copyright notices that travel with the content
    introduction: str | None = None  # the published text above the items, only where rights allow
    items_by_id: Mapping[LinkId, Item] = field(init=False, repr=False, compare=False)
    """The items by linkId; computed once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "items_by_id", {item.link_id: item for item in self.items})

    def item(self, link_id: LinkId) -> Item:
        """Returns the item of that linkId. Raises KeyError."""
        return self.items_by_id[link_id]

    def scale(self, scale_id: ScaleId) -> Scale:
        """Returns the scale of that id. Raises KeyError."""
        return {scale.id: scale for scale in self.scales}[scale_id]


Instruments = Mapping[InstrumentId, Instrument]
"""The known instruments by id."""

Answers = Mapping[LinkId, int]
"""One person's answers: linkId -> value. A blank item is absent; 0 is an answer."""


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one scale for one response.

    `value` and `published` are None if the response is not scorable.
    """

    scale: ScaleId
    value: Fraction | None  # exact and unrounded for means; whole scales hold the rounded whole number
    published: str | None  # decimal text: whole scales "13", means "4.71" (two decimals, half up)
    band: str | None  # label in the scale's first band set
    answered: int
    blanks: int
    prorated: bool
    unconfirmed: tuple[str, ...] = ()  # rule_ids of the UNCONFIRMED rules that were applied
