"""Every golden vector, through the functions that the house uses; no test here holds a formula of its own.

The vectors come from the published sources named in each of them. Those that speak of an instrument go through
`mappings/` as shipped; `MEASURES` says which scale and band set each of their names means.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fhir_pmp.evaluation import statistics
from fhir_pmp.evaluation.statistics import Proportion
from fhir_pmp.identifiers import LinkId, ScaleId
from fhir_pmp.instruments.bands import get_band_set
from fhir_pmp.instruments.change_rules import RuleVerdict, Verdict, improvement, judge, percent_change
from fhir_pmp.instruments.definition import Better, Score
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.instruments.reliable_change import (
    Distribution,
    classify,
    cutoffs,
    difference_error,
    reliable_change_index,
    reliable_verdict,
    smallest_detectable_change,
    standard_error,
    standard_error_from_mdc95,
)
from fhir_pmp.instruments.scoring import (
    AnswersNotUnderstood,
    check_answers,
    compile_scorer,
    decimal_text,
    exact_value,
    round_half_up,
    zero_based_score,
)
from fhir_pmp.instruments.terminology_codes import (
    LOINC,
    find_item,
    find_option,
    is_valid_loinc_code,
    is_valid_snomed_code,
)
from fhir_pmp.pathway.plain_words import NOT_ANSWERED
from fhir_pmp.pathway.summary.safety_lines import is_alert
from tests.spec import shipped
from tests.spec.cpaq8 import CPAQ8, ENGAGEMENT, WILLINGNESS

Inputs = Mapping[str, Any]
Result = Mapping[str, Any]


class Measure(NamedTuple):
    """What a vector's name means in `mappings/`."""

    instrument: str
    scale: str
    bands: str | None = None
    eppoc: str | None = None  # the change rule that the ePPOC vectors ask


MEASURES = {
    "phq9": Measure("phq9", "total", "severity"),
    "gad7": Measure("gad7", "total", "severity"),
    "pcs": Measure("pcs", "total", "eppoc", "eppoc.pcs.change"),
    "pseq": Measure("pseq", "total", "eppoc", "eppoc.pseq.change"),
    "peg": Measure("peg", "total"),
    "k10": Measure("k10", "total"),
    "k10_abs": Measure("k10", "total", "abs"),
    "k10_crufad": Measure("k10", "total", "crufad"),
    "tsk11": Measure("tsk11", "total"),
    "bpi": Measure("bpi_sf", "interference", "eppoc"),
    "bpi_severity": Measure("bpi_sf", "severity", "eppoc"),
    "bpi_interference": Measure("bpi_sf", "interference", "eppoc", "eppoc.bpi_interference.change"),
    "bpi_average_pain_item": Measure("bpi_sf", "average_pain", "eppoc", "eppoc.bpi_average_pain.change"),
    "dass21_depression_x2": Measure("dass21", "depression", "x2", "eppoc.dass21_depression.change"),
    "dass21_anxiety_x2": Measure("dass21", "anxiety", "x2", "eppoc.dass21_anxiety.change"),
    "dass21_stress_x2": Measure("dass21", "stress", "x2", "eppoc.dass21_stress.change"),
    # the domains of the reference study, by the scale that stands for them here
    "pain_interference": Measure("bpi_sf", "interference"),
    "pain_intensity": Measure("bpi_sf", "average_pain"),
    "depression": Measure("phq9", "total"),
    "anxiety": Measure("gad7", "total"),
    "pain_self_efficacy": Measure("pseq", "total"),
    "pain_catastrophizing": Measure("pcs", "total"),
}

DIRECTIONS = {"lower_better": Better.LOWER, "higher_better": Better.HIGHER}

# How the vectors write what the house says in its own words.
EPPOC_WORDS = {
    Verdict.IMPROVED: "significant_improvement",
    Verdict.UNCHANGED: "not_significant",
    Verdict.WORSENED: "significant_deterioration",
    Verdict.NOT_ASSESSABLE: "not_assessable_baseline_0",
}
RELIABLE_WORDS = {
    Verdict.IMPROVED: "reliable_improvement",
    Verdict.UNCHANGED: "no_reliable_change",
    Verdict.WORSENED: "reliable_deterioration",
}
IAPT_WORDS = {Verdict.IMPROVED: "improvement", Verdict.UNCHANGED: "none", Verdict.WORSENED: "deterioration"}


# -- reliable change


def rci(inputs: Inputs) -> Result:
    better = DIRECTIONS[inputs["direction"]]
    sem = inputs["sem"] if "sem" in inputs else standard_error(inputs["sd"], inputs["r"])
    return {
        "sem": sem,
        "s_diff": difference_error(sem),
        "rci": reliable_change_index(inputs["pre"], inputs["post"], sem),
        "threshold_points": smallest_detectable_change(sem),
        "result": RELIABLE_WORDS[reliable_verdict(inputs["pre"], inputs["post"], sem, better)],
    }


def rc_threshold(inputs: Inputs) -> Result:
    points = smallest_detectable_change(standard_error(inputs["sd"], inputs["r"]))
    return {"threshold_points": points, "threshold_2dp": float(decimal_text(Fraction(points)))}


def mdc95(inputs: Inputs) -> Result:
    return {"mdc95": smallest_detectable_change(inputs["sem"])}


def sem_from_mdc95(inputs: Inputs) -> Result:
    return {"sem": standard_error_from_mdc95(inputs["mdc95"])}


def jt_cutoffs(inputs: Inputs) -> Result:
    clinical = Distribution(inputs["m_clin"], inputs["sd_clin"])
    normal = Distribution(inputs["m_norm"], inputs["sd_norm"])
    return asdict(cutoffs(clinical, normal, DIRECTIONS[inputs["direction"]]))


def jt_class(inputs: Inputs) -> Result:
    sem = standard_error(inputs["sd"], inputs["r"])
    better = DIRECTIONS[inputs["direction"]]
    return asdict(classify(inputs["pre"], inputs["post"], sem, inputs["cutoff"], better))


# -- changes and their rules


def verdict(measure: Measure, rule_id: str, pre: Fraction, post: Fraction) -> RuleVerdict:
    scale = shipped.scale(measure.instrument, measure.scale)
    rule = {change.rule.rule_id: change for change in scale.changes}[rule_id]
    return judge(rule, scale, pre, post)


def iapt(inputs: Inputs) -> Result:
    measure = MEASURES[inputs["instrument"]]
    pre, post = Fraction(inputs["pre"]), Fraction(inputs["post"])
    reliable = verdict(measure, f"iapt.{measure.instrument}.reliable_change", pre, post)
    caseness = get_band_set(shipped.scale(measure.instrument, measure.scale), "caseness")
    return {
        "reliable": IAPT_WORDS[reliable.verdict],
        "case_pre": caseness.band_of(pre).label == "case",
        "case_post": caseness.band_of(post).label == "case",
    }


def eppoc_change(inputs: Inputs) -> Result:
    measure = MEASURES[inputs["measure"]]
    scale = shipped.scale(measure.instrument, measure.scale)
    if "pre_sum_of_7" in inputs:
        pre, post = (exact_value(scale, inputs[f"{when}_sum_of_7"], 7) for when in ("pre", "post"))
    else:
        pre, post = Fraction(inputs["pre"]), Fraction(inputs["post"])
    assert measure.eppoc is not None and measure.bands is not None
    bands = get_band_set(scale, measure.bands)
    percent = percent_change(pre, post, scale.better)
    result = {
        "result": EPPOC_WORDS[verdict(measure, measure.eppoc, pre, post).verdict],
        "points": post - pre,
        "improvement_points": improvement(post - pre, scale.better),
        "improvement_pct": percent.improvement,
        "band_pre": written(bands.band_of(pre).label),
        "band_post": written(bands.band_of(post).label),
    }
    if measure.scale == "average_pain":
        result["immpact"] = verdict(measure, "immpact.bpi_average_pain.change", pre, post).grade or "none"
    return result


def multi_rule(inputs: Inputs) -> Result:
    measure = MEASURES[inputs["measure"]]
    pre, post = Fraction(inputs["pre"]), Fraction(inputs["post"])
    assert measure.eppoc is not None
    eppoc = verdict(measure, measure.eppoc, pre, post)
    reliable = verdict(measure, "dube.pseq.reliable_change", pre, post)
    assert reliable.rule.sem is not None
    return {
        "eppoc": EPPOC_WORDS[eppoc.verdict],
        "reliable_change": RELIABLE_WORDS[reliable.verdict],
        "rci": reliable_change_index(inputs["pre"], inputs["post"], float(reliable.rule.sem)),
    }


def responder_30pct(inputs: Inputs) -> Result:
    measure = MEASURES[inputs["measure"]]
    rule = f"pain_course.{measure.instrument}.responder"
    judged = verdict(measure, rule, Fraction(inputs["pre"]), Fraction(inputs["post"]))
    return {"responder": judged.verdict is Verdict.IMPROVED}


def percent_of_one(inputs: Inputs) -> Result:
    pre, post = (None if inputs[when] is None else Fraction(inputs[when]) for when in ("pre", "post"))
    change = percent_change(pre, post, DIRECTIONS[inputs["direction"]])
    return {"raw_pct": change.raw, "improvement_pct": change.improvement, "reason": change.reason}


# -- scores


def score_of(inputs: Inputs) -> tuple[Measure, Score, Mapping[LinkId, int]]:
    measure = MEASURES[inputs["instrument"]]
    scale = shipped.scale(measure.instrument, measure.scale)
    answers = shipped.answer(scale.items, inputs["items"])
    return measure, shipped.score(measure.instrument, measure.scale, answers), answers


def proration(inputs: Inputs) -> Result:
    measure, score, answers = score_of(inputs)
    result: dict[str, Any] = {
        "score": score.value,
        "prorated": score.prorated,
        "missing": score.blanks,
        "answered": score.answered,
    }
    if score.value is not None:
        scale = shipped.scale(measure.instrument, measure.scale)
        result["unrounded"] = exact_value(scale, sum(answers.values()), score.answered)
    for safety in shipped.instrument(measure.instrument).safety_items:
        given = answers.get(safety.item)
        result["item9"] = written(NOT_ANSWERED) if given is None else given
        result["item9_flag"] = written(NOT_ANSWERED) if given is None else is_alert(safety, given)
    return result


def rounding(inputs: Inputs) -> Result:
    # What Python's own round makes of it stands in the vectors, to show why it is not used.
    return {
        "half_up": round_half_up(Fraction(Decimal(str(inputs["value"])))),
        "python_round": round(inputs["value"]),
    }


def scoring(inputs: Inputs) -> Result:
    if inputs["instrument"] == "cpaq8":
        engagement = shipped.answer(ENGAGEMENT, inputs["activity_engagement"])
        willingness = shipped.answer(WILLINGNESS, inputs["pain_willingness_raw"])
        return {score.scale: score.value for score in compile_scorer(CPAQ8)(engagement | willingness)}
    instrument = shipped.instrument(inputs["instrument"])
    answers = shipped.answer(
        [item.link_id for item in instrument.items][: len(inputs["items"])], inputs["items"]
    )
    if "difficulty" in inputs:
        answers[LinkId("phq9-difficulty")] = inputs["difficulty"]
    result: dict[str, Any] = {}
    for score in shipped.scorer(instrument.id)(
        check_answers(instrument, {str(k): v for k, v in answers.items()})
    ):
        scale = instrument.scale(score.scale)
        assert score.value is not None
        result[score.scale] = score.value
        raw = sum(answers[link_id] for link_id in scale.items)
        result[f"{score.scale}_raw"] = exact_value(scale, raw, score.answered)
        if instrument.id == "k10":
            result |= {"total_au": score.value, "total_us_0_40": zero_based_score(scale, score.value)}
    return result


def reject(inputs: Inputs) -> Result:
    measure = MEASURES[inputs["instrument"]]
    instrument = shipped.instrument(measure.instrument)
    scale = instrument.scale(ScaleId(measure.scale))
    names = [str(link_id) for link_id in scale.items]
    names += [f"{instrument.id}-{number}" for number in range(len(names) + 1, len(inputs["items"]) + 1)]
    try:
        check_answers(instrument, dict(zip(names, inputs["items"], strict=True)))
    except AnswersNotUnderstood:
        return {"accepted": False}
    return {"accepted": True}


def band(inputs: Inputs) -> Result:
    measure = MEASURES[inputs["instrument"]]
    assert measure.bands is not None
    value = Fraction(Decimal(str(inputs["score"])))
    return {"band": written(shipped.band_label(measure.instrument, measure.scale, measure.bands, value))}


def safety_item(inputs: Inputs) -> Result:
    (safety,) = shipped.instrument(inputs["instrument"]).safety_items
    given = inputs["item9"]
    return {
        "state": "answered" if given is not None else written(NOT_ANSWERED),
        "value": given,
        "alert": is_alert(safety, given),
        "display": NOT_ANSWERED if given is None else None,
    }


# -- codes


def loinc_check_digit(inputs: Inputs) -> Result:
    return check_digits(inputs, is_valid_loinc_code)


def sctid_check_digit(inputs: Inputs) -> Result:
    return check_digits(inputs, is_valid_snomed_code)


def check_digits(inputs: Inputs, holds: Callable[[str], bool]) -> Result:
    return {"valid": all(map(holds, inputs["valid"])), "invalid": any(map(holds, inputs["invalid"]))}


def answer_code(inputs: Inputs) -> Result:
    items = [find_item(instrument, LOINC, inputs["item"]) for instrument in shipped.shipped().values()]
    (item,) = [found for found in items if found is not None]
    options = [find_option(item, LOINC, code) for code in inputs["inbound"]]
    return {"ordinals": [option.value if option is not None else None for option in options]}


def code_choice(inputs: Inputs, folder: Path) -> Result:
    """The shipped file with another recall period: which code the interference scale then carries."""
    written_as = (shipped.FOLDER / "bpi_sf.yaml").read_text("utf-8")
    codes = []
    for number, case in enumerate(inputs["cases"]):
        changed = folder / str(number)
        changed.mkdir()
        text = written_as.replace("recall: 7d", f"recall: {case['recall']}\nnotices: [The LOINC notice]", 1)
        (changed / "bpi_sf.yaml").write_text(text, "utf-8")
        (instrument,) = load_instruments(changed).values()
        loinc = [coding.code for coding in instrument.scale(ScaleId("interference")).codings]
        codes.append(loinc[0] if loinc else "local")
    return {"codes": codes}


# -- groups


def hedges_j(inputs: Inputs) -> Result:
    df = inputs["df"]
    return {"exact": statistics.hedges_j_exact(df), "approx": statistics.hedges_j_approximate(df)}


def effect_size_paired(inputs: Inputs) -> Result:
    effect = statistics.paired_effect(inputs["pre"], inputs["post"])
    direction = inputs.get("direction", "lower_better")
    signed = statistics.improvement_sign(effect.g_baseline, DIRECTIONS[direction])
    return asdict(effect) | {
        "n": effect.n_pairs,
        "df": effect.n_pairs - 1,
        "J_exact": effect.j,
        "var_g_baseline": effect.variance_g_baseline,
        "ci95_g_baseline": effect.interval_g_baseline,
        "pct_change_of_means": effect.percent_change_of_means,
        "mean_of_individual_pct": effect.mean_of_individual_percents,
        "improvement_sign": {"direction": direction, "g_baseline_improvement": signed},
    }


def smcr_summary(inputs: Inputs) -> Result:
    rows = zip(*(inputs[name] for name in ("m_pre", "m_post", "sd_pre", "n", "r")), strict=True)
    changes = [statistics.standardised_mean_change(*row) for row in rows]
    return {
        "g": [change[0] for change in changes if change is not None],
        "var": [change[1] for change in changes if change is not None],
    }


def effect_size_independent(inputs: Inputs) -> Result:
    effect = statistics.independent_effect(inputs["group1"], inputs["group2"])
    return asdict(effect) | {"J_exact": effect.j}


def percent_change_group(inputs: Inputs) -> Result:
    return {
        "pct_change_of_means": statistics.percent_change_of_means(inputs["pre"], inputs["post"]),
        "mean_of_individual_pct": statistics.mean_of_individual_percents(inputs["pre"], inputs["post"]),
    }


def paper_sign(inputs: Inputs) -> Result:
    measure = MEASURES[inputs["domain"]]
    better = shipped.scale(measure.instrument, measure.scale).better
    assert better is DIRECTIONS[inputs["direction"]]
    figures = statistics.read_study_figures(inputs["paper_pct"], inputs["paper_g"], better)
    return {
        "raw_pct_post_minus_pre": figures.raw_percent,
        "improvement_pct": figures.improvement_percent,
        "improvement_g": figures.improvement_g,
        "verdict": "improved" if figures.improved else "not improved",
    }


DENOMINATORS = {  # percentage of the vector: (count, denominator)
    "completed_all_pct_of_commenced": ("completed_all", "commenced"),
    "completed_majority_pct_of_commenced": ("completed_majority", "commenced"),
    "very_satisfied_pct_of_responders": ("very_satisfied", "satisfaction_responders"),
    "satisfied_pct_of_responders": ("satisfied", "satisfaction_responders"),
}


def denominators(inputs: Inputs) -> Result:
    shares = {
        name: Proportion(inputs[count], denominator, inputs[denominator])
        for name, (count, denominator) in DENOMINATORS.items()
    }
    not_commenced = inputs["enrolled"] - inputs["commenced"]
    shares["not_commenced_pct_of_enrolled"] = Proportion(not_commenced, "enrolled", inputs["enrolled"])
    return {name: share.percent for name, share in shares.items()}


def calibration(inputs: Inputs) -> Result:
    measure = MEASURES[inputs["measure"]]
    better = shipped.scale(measure.instrument, measure.scale).better
    implied = statistics.implied_baseline(inputs["proportion"], inputs["g"], inputs["baseline_mean"], better)
    return {
        "mean_sd_ratio": implied.ratio,
        "ratio_range": [implied.lowest_ratio, implied.highest_ratio],
        "baseline_sd": implied.sd,
        "post_mean": implied.post_mean,
    }


# A kind that has no function here is a failure: a vector nobody asks is a rule nobody keeps.
KINDS: Mapping[str, Callable[[Inputs], Result]] = {
    "answer_code": answer_code,
    "band": band,
    "calibration": calibration,
    "denominators": denominators,
    "effect_size_independent": effect_size_independent,
    "effect_size_paired": effect_size_paired,
    "eppoc_change": eppoc_change,
    "hedges_j": hedges_j,
    "iapt": iapt,
    "jt_class": jt_class,
    "jt_cutoffs": jt_cutoffs,
    "loinc_check_digit": loinc_check_digit,
    "mdc95": mdc95,
    "multi_rule": multi_rule,
    "paper_sign": paper_sign,
    "percent_change": percent_of_one,
    "percent_change_group": percent_change_group,
    "proration": proration,
    "rc_threshold": rc_threshold,
    "rci": rci,
    "reject": reject,
    "responder_30pct": responder_30pct,
    "rounding": rounding,
    "safety_item": safety_item,
    "scoring": scoring,
    "sctid_check_digit": sctid_check_digit,
    "sem_from_mdc95": sem_from_mdc95,
    "smcr_summary": smcr_summary,
}
NEEDS_A_FOLDER = {"code_choice": code_choice}

# Keys of `expected` that explain rather than expect; the reason of a percentage is checked, that of an SD of 0 is a remark.
REMARKS = {"note"}
REMARKS_OF_KIND = {"effect_size_paired": {"note", "reason"}}
# The vectors that carry the note "tolerance for ci95_* and pct_* fields: 5e-5".
ROUNDED_FIELDS = {"ci95_g_baseline", "pct_change_of_means", "mean_of_individual_pct"}

FILE = json.loads((Path(__file__).parents[1] / "data" / "golden_outcomes.json").read_text("utf-8"))


def written(words: str) -> str:
    """As the vectors write a label: "moderately_severe"."""
    return words.replace(" ", "_")


def same(expected: object, found: object, tolerance: float) -> bool:
    if isinstance(expected, Mapping):
        return isinstance(found, Mapping) and all(
            same(v, found.get(k), tolerance) for k, v in expected.items()
        )
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return (
            isinstance(found, Sequence)
            and len(expected) == len(found)
            and all(same(e, f, tolerance) for e, f in zip(expected, found, strict=True))
        )
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return (
            type(found) is type(expected)
            and found == expected
            or (isinstance(found, str) and found == expected)
        )
    return (
        isinstance(found, int | float | Fraction)
        and not isinstance(found, bool)
        and abs(found - expected) <= tolerance
    )


@pytest.mark.promise("P11")
@pytest.mark.parametrize("vector", FILE["vectors"], ids=lambda vector: vector["id"])
def test_golden_vector(vector: Mapping[str, Any], tmp_path: Path) -> None:
    kind, inputs = vector["kind"], vector["inputs"]
    if kind in NEEDS_A_FOLDER:
        found = NEEDS_A_FOLDER[kind](inputs, tmp_path)
    else:
        found = KINDS[kind](inputs)
    remarks = REMARKS_OF_KIND.get(kind, REMARKS)
    for name, expected in vector["expected"].items():
        if name in remarks:
            continue
        assert name in found, f"nothing of ours answers {name}"
        rounded = name in ROUNDED_FIELDS and "5e-5" in vector.get("note", "")
        tolerance = 5e-5 if rounded else float(vector["tolerance"])
        assert same(expected, found[name], tolerance), name


@pytest.mark.promise("P11")
def test_no_vector_is_lost() -> None:
    ids = [vector["id"] for vector in FILE["vectors"]]
    assert len(ids) == len(set(ids)) == FILE["count"] == 253


def test_every_kind_is_asked_and_none_is_kept_for_nothing() -> None:
    assert {vector["kind"] for vector in FILE["vectors"]} == KINDS.keys() | NEEDS_A_FOLDER.keys()
