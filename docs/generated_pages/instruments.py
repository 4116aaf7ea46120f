"""Generates docs/reference/instruments.md from the mappings of instruments and programme."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from docs.generated_pages.markdown import code, page, table
from fhir_pmp.instruments.definition import Band, ChangeKind, ChangeRule, Instrument, Instruments, Rule, Scale
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.pathway.programme.definition import Programme
from fhir_pmp.pathway.programme.loading import load_programme

OPENING = "For clinicians, analysts and integrators. Kind: reference."

HOW = """How each instrument is scored, and by which source. Each rule has an id and a version, which results carry. Status: `verified` was read in
the source; `derived` is computed from published numbers; `policy` is our decision where publications are silent; `unconfirmed` has no
publication yet: results based on it are marked on the pages and appear in no Observation and no letter.
[mappings/README.md](../../mappings/README.md) explains how to add an instrument or confirm a rule; [clinical measurement](../research/clinical-measurement.md) names the source of each number."""

CHANGES = """A change is later score minus baseline. Improvement follows the direction of the scale; worsening is the same rule in the other direction.
*Counted* marks the rule that counts in the result line of a letter."""


def instruments_page(mappings: Path) -> str:
    """Returns the whole page. Raises MappingFaults."""
    instruments = load_instruments(mappings / "instruments")
    programme = load_programme(mappings / "programme.yaml", instruments)
    return page(
        "Instruments",
        OPENING,
        HOW,
        _index(instruments),
        "## When each is answered",
        _when(programme, instruments),
        _definitions(programme),
        "## Scales, bands and changes",
        CHANGES,
        *(_section(instrument) for instrument in instruments.values()),
    )


def _index(instruments: Instruments) -> str:
    return table(
        ("instrument", "", "items", "asks about", "wording in the repository"),
        (
            (
                f"[`{one.id}`](#{one.id})",
                one.title,
                len(one.items),
                one.recall or "not stated",
                "yes" if one.rights.ship_wording else "no",
            )
            for one in instruments.values()
        ),
    )


def _when(programme: Programme, instruments: Instruments) -> str:
    def mark(timepoint_instruments: tuple[str, ...], optional: tuple[str, ...], name: str) -> str:
        return "due" if name in timepoint_instruments else "accepted" if name in optional else ""

    head = ["instrument", *(t.title for t in programme.timepoints)]
    rows: list[list[object]] = [
        ["window, days from start", *(f"{t.opens_day} to {t.closes_day}" for t in programme.timepoints)],
        [
            "due on day",
            *("enrolment" if t.due_day is None else str(t.due_day) for t in programme.timepoints),
        ],
    ]
    rows += [
        [code(name), *(mark(t.instruments, t.optional, name) for t in programme.timepoints)]
        for name in instruments
    ]
    return table(head, rows)


def _definitions(programme: Programme) -> str:
    return table(
        ("word", "means", "status", "source"),
        (
            (
                "baseline",
                f"start, else a screening at most {programme.baseline.within_days} days before it",
                *_status_and_source(programme.baseline.rule),
            ),
            (
                "commenced",
                f"by {programme.commenced.by.value}",
                *_status_and_source(programme.commenced.rule),
            ),
            (
                "completed the whole",
                f"{programme.completed_all.lessons} lessons",
                *_status_and_source(programme.completed_all.rule),
            ),
            (
                "completed the majority",
                f"{programme.completed_majority.lessons} lessons or more",
                *_status_and_source(programme.completed_majority.rule),
            ),
            ("windows", "the days above", *_status_and_source(programme.windows)),
        ),
    )


def _status_and_source(rule: Rule) -> tuple[str, str]:
    return rule.status.value, rule.source


def _section(instrument: Instrument) -> str:
    return "\n\n".join(
        part
        for part in (
            f"### {instrument.id}",
            f"{instrument.title}, version {instrument.version}, {len(instrument.items)} items. Source: {_sentence(instrument.source)}",
            f"Rights: {_sentence(instrument.rights.statement)} Evidence: {_sentence(instrument.rights.evidence)}",
            _codes(instrument),
            _safety(instrument),
            _scales(instrument) or "It has no scale: answers are shown and counted, never summed.",
            _bands(instrument),
            _changes(instrument),
        )
        if part
    )


def _sentence(text: str) -> str:
    return text if text.endswith(".") else text + "."


def _codes(instrument: Instrument) -> str:
    found = [*instrument.codings, *(c for scale in instrument.scales for c in scale.codings)]
    codes = ", ".join(dict.fromkeys(f"`{c.system}` {c.code}" for c in found))
    items = sum(1 for item in instrument.items if item.codings)
    own = f"{items} of {len(instrument.items)} items have a published code"
    return f"Codes: {codes or 'ours only'}; {own}."


def _safety(instrument: Instrument) -> str:
    return "\n".join(
        f"Safety item `{one.item}`: shown on its own, "
        + (
            f"a flag from answer {one.flag_from}"
            if one.flag_from is not None
            else "no published threshold, so never a flag"
        )
        + f" (`{one.rule.rule_id}` v{one.rule.version}, {one.rule.status.value}; {one.rule.source})."
        for one in instrument.safety_items
    )


def _scales(instrument: Instrument) -> str:
    return table(
        ("scale", "", "items", "how", "range", "better", "blanks allowed", "rules"),
        (
            (
                code(scale.id),
                scale.title + (f" (part of `{scale.part_of}`)" if scale.part_of else ""),
                f"{len(scale.items)}"
                + (f", {len(scale.reversed)} of them reversed" if scale.reversed else ""),
                scale.method.value + (f" x {scale.multiplier}" if scale.multiplier != 1 else ""),
                f"{decimal(scale.lowest)} to {decimal(scale.highest)}",
                scale.better.value,
                scale.blanks.allowed,
                f"{_rule(scale.rule)}; {_rule(scale.blanks.rule)}",
            )
            for scale in instrument.scales
        ),
    )


def _rule(rule: Rule) -> str:
    return f"`{rule.rule_id}` v{rule.version} {rule.status.value}: {rule.source}"


def _bands(instrument: Instrument) -> str:
    rows = (
        (
            code(scale.id),
            bands.id + (", published" if position == 0 else ""),
            "; ".join(_band(band) for band in bands.bands),
            _rule(bands.rule),
        )
        for scale in instrument.scales
        for position, bands in enumerate(scale.band_sets)
    )
    return table(("scale", "bands", "", "rule"), rows)


def _band(band: Band) -> str:
    low = decimal(band.lowest) if band.lowest_included else f"above {decimal(band.lowest)}"
    high = decimal(band.highest) if band.highest_included else f"below {decimal(band.highest)}"
    return f"{band.label} {low} to {high}"


def _changes(instrument: Instrument) -> str:
    return table(
        ("scale", "change rule", "what it asks", "status", "source"), _change_rows(instrument.scales)
    )


def _change_rows(scales: tuple[Scale, ...]) -> Iterator[tuple[str, str, str, str, str]]:
    for scale in scales:
        for change in scale.changes:
            counted = ", *counted*" if change.rule.rule_id == scale.headline_rule else ""
            name = f"`{change.rule.rule_id}` v{change.rule.version}{counted}"
            yield code(scale.id), name, _asks(change), change.rule.status.value, change.rule.source


def _asks(change: ChangeRule) -> str:
    match change.kind:
        case ChangeKind.POINTS:
            return f"{_points(change)} or more"
        case ChangeKind.POINTS_AND_BAND:
            return f"{_points(change)} or more, and another band of {change.bands}"
        case ChangeKind.PERCENT:
            return f"{decimal(change.percent)}% of baseline or more"
        case ChangeKind.PERCENT_GRADED:
            return "; ".join(f"{label} from {decimal(percent)}%" for label, percent in change.grades)
        case ChangeKind.RELIABLE_SEM:
            return f"more than 1.96 x sqrt(2) x SEM, SEM {decimal(change.sem)}"


def _points(change: ChangeRule) -> str:
    return "1 point" if change.points == 1 else f"{decimal(change.points)} points"


def decimal(number: Fraction | None) -> str:
    """Returns an exact number as decimal text without trailing zeros."""
    if number is None:
        return ""
    return str(number.numerator) if number.denominator == 1 else f"{float(number):g}"
