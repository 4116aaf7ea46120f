"""Checks that the parts of one instrument agree: items, scales, bands, ranges and rules."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction

from fhir_pmp.instruments.bands import faults_of_bands, find_band_set
from fhir_pmp.instruments.definition import Coding, Instrument, Method, Rule, RuleStatus, Scale
from fhir_pmp.instruments.terminology_codes import LOINC
from fhir_pmp.mapping_file import MappingTable

_ID = re.compile(r"[a-z][a-z0-9_]*")


def check_instrument(table: MappingTable, instrument: Instrument) -> None:
    """Notes every inconsistency in the table; the instrument was read from it without a fault."""
    if not _ID.fullmatch(instrument.id):
        table.fault("must be small letters, digits and underscores, a letter first", "id")
    _check_items(table, instrument)
    _check_wording(table, instrument)
    _check_notices(table, instrument)
    _check_safety_items(table, instrument)
    for duplicate in _duplicates(scale.id for scale in instrument.scales):
        table.fault(f"has two scales of the id {duplicate}", "scales")
    for duplicate in _duplicates(rule.rule_id for rule in rules_of(instrument)):
        table.fault(f"has two rules of the rule_id {duplicate}")
    for part, scale in zip(table.tables("scales"), instrument.scales, strict=True):
        _check_scale(part, instrument, scale)


def rules_of(instrument: Instrument) -> Iterator[Rule]:
    """Every rule of the instrument: scoring, blanks, bands, changes and safety items."""
    for scale in instrument.scales:
        yield scale.rule
        yield scale.blanks.rule
        yield from (band_set.rule for band_set in scale.band_sets)
        yield from (change.rule for change in scale.changes)
    yield from (safety.rule for safety in instrument.safety_items)


def _check_items(table: MappingTable, instrument: Instrument) -> None:
    if not instrument.items:
        table.fault("must hold at least one item", "items")
    for duplicate in _duplicates(item.link_id for item in instrument.items):
        table.fault(f"has two items of the id {duplicate}", "items")
    for part, item in zip(table.tables("items"), instrument.items, strict=True):
        if not item.link_id.startswith(f"{instrument.id}-"):
            part.fault(f"must begin with {instrument.id}-", "id")


def _check_wording(table: MappingTable, instrument: Instrument) -> None:
    if instrument.rights.ship_wording:
        return
    if instrument.introduction is not None:
        table.fault("is published wording, which rights do not let us ship", "introduction")
    for part, item in zip(table.tables("items"), instrument.items, strict=True):
        if item.text is not None:
            part.fault("is published wording, which rights do not let us ship", "text")


def _check_notices(table: MappingTable, instrument: Instrument) -> None:
    uses_loinc = any(coding.system == LOINC for coding in _codings_of(instrument))
    if uses_loinc and not any("LOINC" in notice for notice in instrument.notices):
        table.fault("must hold the LOINC notice, which travels with its codes", "notices")


def _check_safety_items(table: MappingTable, instrument: Instrument) -> None:
    for part, safety in zip(table.tables_or_none("safety_items"), instrument.safety_items, strict=True):
        item = instrument.items_by_id.get(safety.item)
        if item is None:
            part.fault("is not an item of this instrument", "item")
        elif safety.flag_from is not None and safety.flag_from not in item.offered:
            part.fault("is not an answer that the item offers", "flag_from")


def _check_scale(table: MappingTable, instrument: Instrument, scale: Scale) -> None:
    unknown = [link_id for link_id in scale.items if link_id not in instrument.items_by_id]
    for link_id in unknown:
        table.fault(f"names an item that is not there: {link_id}", "items")
    if not scale.items:
        table.fault("must name at least one item", "items")
    elif not unknown:
        _check_range(table, instrument, scale)
    for link_id in sorted(scale.reversed - set(scale.items)):
        table.table("scoring").fault(f"names an item that the scale does not have: {link_id}", "reversed")
    if not 0 <= scale.blanks.allowed < max(len(scale.items), 1):
        table.table("blanks").fault("must be 0 or more, and fewer than the scale has items", "allowed")
    if scale.part_of is not None and scale.part_of not in {s.id for s in instrument.scales if s is not scale}:
        table.fault("names a scale that is not there", "part_of")
    _check_bands(table, scale)
    _check_changes(table, scale)


def _check_range(table: MappingTable, instrument: Instrument, scale: Scale) -> None:
    items = [instrument.item(link_id) for link_id in scale.items]
    share = len(items) if scale.method is Method.MEAN else 1
    lowest = Fraction(sum(item.lowest for item in items) * scale.multiplier, share)
    highest = Fraction(sum(item.highest for item in items) * scale.multiplier, share)
    if scale.multiplier < 1:
        table.table("scoring").fault("must be 1 or more", "multiplier")
    elif (scale.lowest, scale.highest) != (lowest, highest):
        table.fault("is not what the items can reach", "range")


def _check_bands(table: MappingTable, scale: Scale) -> None:
    for duplicate in _duplicates(band_set.id for band_set in scale.band_sets):
        table.fault(f"has two band sets of the id {duplicate}", "band_sets")
    for part, band_set in zip(table.tables_or_none("band_sets"), scale.band_sets, strict=True):
        for duplicate in _duplicates(band.label for band in band_set.bands):
            part.fault(f"has two bands of the label {duplicate}", "bands")
        bands = part.tables("bands")
        for index, what in faults_of_bands(band_set.bands, scale.lowest, scale.highest, whole=scale.whole):
            (bands[index] if bands else part).fault(what)


def _check_changes(table: MappingTable, scale: Scale) -> None:
    for part, change in zip(table.tables_or_none("changes"), scale.changes, strict=True):
        if change.bands is None:
            continue
        band_set = find_band_set(scale, change.bands)
        if band_set is None:
            part.fault("names a band set that the scale does not have", "bands")
        elif RuleStatus.UNCONFIRMED is band_set.rule.status is not change.rule.status:
            part.fault("rests on bands that are unconfirmed, so it is unconfirmed itself", "status")
    if scale.headline_rule is None:
        return
    headline = {change.rule.rule_id: change.rule for change in scale.changes}.get(scale.headline_rule)
    if headline is None:
        table.fault("names a change rule that the scale does not have", "headline_rule")
    elif headline.status is RuleStatus.UNCONFIRMED:
        table.fault("names an unconfirmed rule, which no letter may count by", "headline_rule")


def _codings_of(instrument: Instrument) -> Iterator[Coding]:
    yield from instrument.codings
    for item in instrument.items:
        yield from item.codings
        yield from (coding for option in item.options for coding in option.codings)
    for scale in instrument.scales:
        yield from scale.codings


def _duplicates(names: Iterable[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)
