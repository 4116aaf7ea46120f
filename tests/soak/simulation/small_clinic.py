"""A small clinic: the real mappings with two questionnaires of them, and what may change about its definitions."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from fhir_pmp.pathway.clinic_loading import load_clinic
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.programme.definition import Timepoint

MAPPINGS = Path(__file__).parents[3] / "mappings"
KEPT_INSTRUMENTS = frozenset({"phq9", "peg"})  # one that asks about suicide, one that does not
PHONES = ("1800 975 711", "1800 975 712", "1800 975 713")
"""What a change of the definitions changes: set aside for fiction, all of them."""


@cache
def clinic_variants() -> tuple[ClinicalContext, ...]:
    """The same clinic under each phone number; the first is the one that opens."""
    whole = load_clinic(
        MAPPINGS,
        wording=None,
        id_secret=b"0123456789abcdef0123456789abcdef",
        canonical_base="https://clinic.example/fhir",
        zone=ZoneInfo("Australia/Sydney"),
    )
    instruments = {name: one for name, one in whole.instruments.items() if name in KEPT_INSTRUMENTS}
    programme = replace(
        whole.programme, timepoints=tuple(map(_with_kept_instruments, whole.programme.timepoints))
    )
    return tuple(
        replace(
            whole,
            instruments=instruments,
            programme=replace(programme, provider=replace(programme.provider, phone=phone)),
        )
        for phone in PHONES
    )


def _with_kept_instruments(timepoint: Timepoint) -> Timepoint:
    return replace(
        timepoint,
        instruments=tuple(name for name in timepoint.instruments if name in KEPT_INSTRUMENTS),
        optional=tuple(name for name in timepoint.optional if name in KEPT_INSTRUMENTS),
    )
