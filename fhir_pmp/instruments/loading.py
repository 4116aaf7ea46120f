"""Loads all instruments and the operator's item wording, or reports every fault."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fhir_pmp.errors import Fault
from fhir_pmp.identifiers import InstrumentId, LinkId
from fhir_pmp.instruments.consistency_checks import check_instrument, rules_of
from fhir_pmp.instruments.definition import Instrument, Instruments
from fhir_pmp.instruments.mapping_reader import read_instrument
from fhir_pmp.mapping_file import MappingFaults, MappingTable, read_folder, read_mapping

Wording = Mapping[InstrumentId, Mapping[LinkId, str]]
"""The operator's item texts, for instruments whose wording may not be in the repository."""


def load_instruments(folder: Path, wording: Path | None = None) -> Instruments:
    """Loads every `<id>.yaml` of the folder, sorted by id, with the operator's texts merged in.

    `wording` is a YAML file: instrument -> linkId -> text. Without it, items show our short labels.
    Raises MappingFaults with every fault of every file.
    """
    instruments, faults = _read(folder, wording)
    if faults:
        raise MappingFaults(faults=faults)
    return instruments


def check_mappings(folder: Path, wording: Path | None = None) -> list[Fault]:
    """Every fault of the instruments in the folder; empty if `load_instruments` would load them."""
    return _read(folder, wording)[1]


def _read(folder: Path, wording: Path | None) -> tuple[Instruments, list[Fault]]:
    faults: list[Fault] = []
    instruments = {one.id: one for one in read_folder(folder, _read_one, faults).values()}
    named = {InstrumentId(path.stem) for path in folder.glob("*.yaml")}
    if not named:
        faults.append(Fault(folder.name, "holds no instrument (*.yaml)"))
    faults.extend(_faults_of_shared_rule_ids(instruments))
    if wording is not None:
        texts = read_mapping(wording, lambda table: _read_wording(table, instruments, named), faults)
        instruments = {
            key: _with_wording(each, (texts or {}).get(key, {})) for key, each in instruments.items()
        }
    return instruments, faults


def _read_one(table: MappingTable) -> Instrument:
    before = table.faults_so_far
    instrument = read_instrument(table)
    # Faulty fields were replaced by placeholders; checks across fields would report those instead of the real faults.
    if table.faults_so_far == before:
        check_instrument(table, instrument)
    return instrument


def _faults_of_shared_rule_ids(instruments: Instruments) -> list[Fault]:
    owners: dict[str, InstrumentId] = {}
    faults = []
    for instrument in instruments.values():
        for rule in rules_of(instrument):
            owner = owners.setdefault(rule.rule_id, instrument.id)
            if owner != instrument.id:
                faults.append(
                    Fault(rule.rule_id, f"is the rule_id of a rule of {owner} and of one of {instrument.id}")
                )
    return faults


def _read_wording(table: MappingTable, instruments: Instruments, named: set[InstrumentId]) -> Wording:
    texts: dict[InstrumentId, dict[LinkId, str]] = {}
    for name in map(InstrumentId, table.names()):
        if name not in named:
            table.fault("is not an instrument we know", name)
        texts[name] = _read_texts(table.table(name), instruments.get(name))
    return texts


def _read_texts(table: MappingTable, instrument: Instrument | None) -> dict[LinkId, str]:
    for link_id in table.names():
        if instrument is not None and link_id not in instrument.items_by_id:
            table.fault("is not an item of this instrument", link_id)
    return {LinkId(link_id): table.text(link_id) for link_id in table.names()}


def _with_wording(instrument: Instrument, texts: Mapping[LinkId, str]) -> Instrument:
    items = tuple(
        replace(item, text=texts[item.link_id]) if item.link_id in texts else item
        for item in instrument.items
    )
    return replace(instrument, items=items)
