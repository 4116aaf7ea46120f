"""Loads the clinical context from the mapping files; every process does this first."""

from pathlib import Path
from zoneinfo import ZoneInfo

from fhir_pmp.identifiers import KeyedIds
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.pathway.business_ids import BusinessIds
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.programme.loading import load_programme


def load_clinic(
    mappings: Path, *, wording: Path | None, id_secret: bytes, canonical_base: str, zone: ZoneInfo
) -> ClinicalContext:
    """Loads instruments and programme from the folder `mappings`.

    `wording` is the operator's file of licensed item wording; `id_secret` is the key of every computed id.

    Raises MappingFaults with every fault of the files that could be read.
    """
    instruments = load_instruments(mappings / "instruments", wording)
    return ClinicalContext(
        instruments=instruments,
        programme=load_programme(mappings / "programme.yaml", instruments),
        ids=BusinessIds(KeyedIds(id_secret), canonical_base),
        zone=zone,
    )
