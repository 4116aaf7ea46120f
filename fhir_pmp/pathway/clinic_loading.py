"""A clinic from its mappings: the first thing that every process does."""

from pathlib import Path
from zoneinfo import ZoneInfo

from fhir_pmp.identifiers import KeyedIds
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.programme.loading import load_programme


def load_clinic(
    mappings: Path, *, wording: Path | None, id_secret: bytes, canonical_base: str, zone: ZoneInfo
) -> Clinic:
    """The clinic that the folder of mappings describes; `wording` is an operator's file of licensed item wording.

    Raises MappingFaults that names every fault of the files it could read.
    """
    instruments = load_instruments(mappings / "instruments", wording)
    return Clinic(
        instruments=instruments,
        programme=load_programme(mappings / "programme.yaml", instruments),
        ids=KeyedIds(id_secret),
        canonical_base=canonical_base,
        zone=zone,
    )
