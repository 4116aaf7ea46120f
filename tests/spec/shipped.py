"""The instruments as shipped in `mappings/`, loaded once, and short ways for specs to speak of them."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

from fhir_pmp.identifiers import InstrumentId, LinkId, ScaleId
from fhir_pmp.instruments.change_rules import judge_all
from fhir_pmp.instruments.definition import Answers, Instrument, Instruments, Scale, Score
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.instruments.scoring import Scorer, compile_scorer

FOLDER = Path(__file__).parents[2] / "mappings" / "instruments"


@cache
def shipped() -> Instruments:
    """Every instrument we ship."""
    return load_instruments(FOLDER)


def instrument(name: str) -> Instrument:
    """The shipped instrument of that id."""
    return shipped()[InstrumentId(name)]


def scale(name: str, of: str) -> Scale:
    """The scale `of` of the shipped instrument."""
    return instrument(name).scale(ScaleId(of))


@cache
def scorer(name: str) -> Scorer:
    """The compiled scorer of the shipped instrument."""
    return compile_scorer(instrument(name))


def answer(link_ids: Sequence[LinkId], given: Sequence[int | None]) -> dict[LinkId, int]:
    """These answers to these items in order; None is a blank, which is left out."""
    return {link_id: value for link_id, value in zip(link_ids, given, strict=True) if value is not None}


def score(name: str, of: str, answers: Answers) -> Score:
    """The score of one scale of the shipped instrument."""
    return {found.scale: found for found in scorer(name)(answers)}[ScaleId(of)]


def score_row(name: str, of: str, row: str) -> Score:
    """The score of a row of answers to the scale's items as a spec's table writes it: digits, `-` for a blank.

    Where a table needs a 10, it separates the answers by blanks: "10 9 - 8".
    """
    cells = row.split() if " " in row or len(scale(name, of).items) == 1 else list(row)
    given = [None if cell == "-" else int(cell) for cell in cells]
    return score(name, of, answer(scale(name, of).items, given))


def band_label(name: str, of: str, band_set: str, value: Fraction | int) -> str:
    """The label of the band that holds this exact score."""
    sets = {found.id: found for found in scale(name, of).band_sets}
    return sets[band_set].band_of(Fraction(value)).label


def verdicts(name: str, of: str, before: Fraction | int, after: Fraction | int) -> dict[str, str]:
    """What each change rule of the scale says, by rule_id; the grade stands in brackets where there is one."""
    found = judge_all(scale(name, of), Fraction(before), Fraction(after))
    return {
        one.rule.rule.rule_id: f"{one.verdict} ({one.grade})" if one.grade else str(one.verdict)
        for one in found
    }
