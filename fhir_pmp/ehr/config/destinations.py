"""Describes one EHR as data: its patients, resource types and write strategy.

Read from the files in mappings/destinations.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from fhir_pmp.ehr.config.content_rules import ContentRules, own_codes, read_content_rules
from fhir_pmp.fhir.terminology.systems import OBSERVATION_CATEGORY
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.instruments.definition import Instrument
from fhir_pmp.mapping_file import Form, MappingTable, load_folder

MOST_ENTRIES = 500
"""Entries in one Bundle. Servers were seen to refuse more (fhir-server PR 807)."""
LARGEST_BUNDLE = 8 * 1024 * 1024
"""Bytes of one Bundle, unless a single resource is larger."""

_TYPE = Form(re.compile(r"[A-Z][A-Za-z]*"), "the name of a FHIR resource type")
_ORIGIN = Form(re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?"), "https://HOST or https://HOST:PORT")
_TEST_PATIENT = Form(re.compile(r"Patient/[A-Za-z0-9\-.]{1,64}"), "Patient/ID of a test patient at the EHR")


class PatientOwnership(StrEnum):
    """Who makes the Patient at the destination."""

    OURS = "ours"  # a bare FHIR store: we write it
    THEIRS = "theirs"  # every hospital: it is found by identifier and birth date, never written


class WriteStrategy(StrEnum):
    """How a resource is first written; every later write is a PUT with If-Match."""

    OUR_ID = "our_id"  # PUT under our id
    CONDITIONAL_UPDATE = "conditional_update"  # PUT by our identifier; the server names the id
    CONDITIONAL_CREATE = "conditional_create"  # POST with If-None-Exist; the server names the id
    SEARCH_THEN_CREATE = "search_then_create"  # POST, once a search by our identifier has found nothing
    NONE = "none"  # the server offers no safe way


class Algorithm(StrEnum):
    """How a client assertion is signed: the two that SMART Backend Services names."""

    RS384 = "RS384"
    ES384 = "ES384"


@dataclass(frozen=True, slots=True)
class SignIn:
    """Sign-in by SMART Backend Services. The settings name the key files."""

    client_id: str
    scope: str
    algorithm: Algorithm
    token_origins: tuple[str, ...]  # besides the EHR's own: scheme and host that may hold its token endpoint


@dataclass(frozen=True, slots=True)
class Destination:
    """One destination file."""

    id: DestinationId
    title: str
    patients: PatientOwnership
    identifier_systems: tuple[
        str, ...
    ]  # `theirs`: those a Patient is found by, the first that the person has counts
    types: frozenset[str] | None  # None: whatever the server lists
    strategy: WriteStrategy | None  # None: chosen from the CapabilityStatement
    entries_per_bundle: int
    connections: int | None  # fewer than the setting, where the EHR asks for it
    content_rules: ContentRules = ContentRules()
    sign_in: SignIn | None = None  # None: the EHR knows us by the network
    probe_subject: str | None = (
        None  # `Patient/id` there of a test patient, where nothing is taken without one
    )

    def accepts_type(self, kind: str) -> bool:
        """Whether resources of this type go there, as far as the file says."""
        if kind == "Patient":
            return self.patients is PatientOwnership.OURS
        return self.types is None or kind in self.types

    def probe_members(self, kind: str) -> dict[str, Any]:
        """What a probe's resource must bear to be taken there."""
        more: dict[str, Any] = {}
        if kind == "Observation" and self.content_rules.categories:
            coding = {"system": OBSERVATION_CATEGORY, "code": min(self.content_rules.categories)}
            more["category"] = [{"coding": [coding]}]
        if kind == "Observation" and self.content_rules.codes:
            more["code"] = {"coding": [dict(self.content_rules.codes[0].theirs)]}
        return more


def load_destinations(
    folder: Path, instruments: Iterable[Instrument] | None = None
) -> Mapping[DestinationId, Destination]:
    """Loads every file of the folder, by id. Raises MappingFaults with all faults.

    With `instruments`, each code of ours that a file translates must exist in them.
    """
    known = None if instruments is None else own_codes(instruments)
    return {one.id: one for one in load_folder(folder, partial(_read, known=known)).values()}


def _read(table: MappingTable, known: Mapping[str, frozenset[str]] | None) -> Destination:
    patients = table.one_of("patients", PatientOwnership)
    systems = tuple(table.texts_or_none("identifier_systems"))
    if patients is PatientOwnership.THEIRS and not systems:
        table.fault("must name at least one system where patients are theirs", "identifier_systems")
    if patients is PatientOwnership.OURS and systems:
        table.fault("has no meaning where patients are ours", "identifier_systems")
    types = frozenset(table.texts("types", _TYPE)) if table.has("types") else None
    if patients is PatientOwnership.THEIRS and types is not None and "Patient" in types:
        table.fault("must not hold Patient where patients are theirs", "types")
    strategy = table.one_of("strategy", WriteStrategy) if table.has("strategy") else None
    if strategy is WriteStrategy.NONE:
        table.fault("must be a way of writing", "strategy")
    return Destination(
        id=DestinationId(table.file_name("id")),
        title=table.text("title"),
        patients=patients,
        identifier_systems=systems,
        types=types,
        strategy=strategy,
        entries_per_bundle=table.whole_or_none("entries_per_bundle", 1, MOST_ENTRIES) or MOST_ENTRIES,
        connections=table.whole_or_none("connections", 1, 16),
        content_rules=read_content_rules(table, known),
        sign_in=_sign_in(table.table_or_none("sign_in")),
        probe_subject=table.text_or_none("probe_subject", _TEST_PATIENT),
    )


def _sign_in(table: MappingTable | None) -> SignIn | None:
    if table is None:
        return None
    origins = tuple(table.texts_or_none("token_origins", _ORIGIN))
    return SignIn(table.text("client_id"), table.text("scope"), table.one_of("algorithm", Algorithm), origins)
