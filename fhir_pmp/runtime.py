"""Builds the runtime from the settings: checks mappings, database and id secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fhir_pmp.ehr.config.destinations import Destination, load_destinations
from fhir_pmp.ehr.sign_in import SigningKey, load_keys
from fhir_pmp.errors import Fault, FhirPmpError
from fhir_pmp.identifiers import DestinationId, SourceId
from fhir_pmp.instruments.loading import check_mappings as check_instruments
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.intake.csv_import.source_loading import load_sources
from fhir_pmp.intake.csv_import.sources import Source
from fhir_pmp.letters.text.letter_wording import load_wording
from fhir_pmp.pathway.clinic_loading import load_clinic
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.programme.loading import load_programme
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.publishing.startup import prepare_publishing
from fhir_pmp.settings import Settings, SettingsWrong
from fhir_pmp.store import Store


@dataclass(frozen=True, slots=True)
class Runtime:
    """The store, mappings and keys that every process uses."""

    store: Store
    clinic: ClinicalContext
    publisher: Publisher
    sources: Mapping[SourceId, Source]
    destinations: Mapping[DestinationId, Destination]
    mappings: Path
    signing_keys: Mapping[DestinationId, tuple[SigningKey, ...]]

    @property
    def publishing(self) -> PublishingContext:
        """The clinic and the publisher, for functions that record and publish."""
        return PublishingContext(self.clinic, self.publisher)


def build_runtime(settings: Settings, now: datetime) -> Runtime:
    """Loads the mappings, opens the store and publishes the definitions.

    Raises MappingFaults, SettingsWrong, WrongIdSecret, NotMigrated, NotDurable.
    """
    clinic = load_clinic(
        settings.mappings,
        wording=settings.wording,
        id_secret=settings.id_secret,
        canonical_base=settings.canonical_base,
        zone=settings.clinic_zone,
    )
    destinations = load_configured_destinations(settings)
    signing_keys = load_configured_keys(settings, destinations)
    sources = load_sources(settings.mappings / "sources", clinic.programme)
    store = Store(settings.database_url)
    store.check()
    publisher = Publisher(tuple(destinations), zone=clinic.zone)
    prepare_publishing(store, publisher, clinic, now=now)
    return Runtime(store, clinic, publisher, sources, destinations, settings.mappings, signing_keys)


def load_configured_destinations(settings: Settings) -> Mapping[DestinationId, Destination]:
    """The destinations that the settings name. Raises MappingFaults, SettingsWrong for one without a file."""
    known = load_destinations(settings.mappings / "destinations")
    unknown = [name for name in settings.destinations if DestinationId(name) not in known]
    if unknown:
        faults = [
            Fault("FHIR_PMP_DESTINATIONS", f"{name} has no file in mappings/destinations") for name in unknown
        ]
        raise SettingsWrong(faults=faults)
    return {DestinationId(name): known[DestinationId(name)] for name in settings.destinations}


def load_configured_keys(
    settings: Settings, destinations: Mapping[DestinationId, Destination]
) -> Mapping[DestinationId, tuple[SigningKey, ...]]:
    """Loads the signing keys of each destination.

    Raises KeysWrong, SettingsWrong for missing or extra keys.
    """
    name, faults = "FHIR_PMP_SIGNING_KEYS", []
    keys = {DestinationId(to): load_keys(files, name) for to, files in settings.signing_keys.items()}
    wanted = {to: one.sign_in for to, one in destinations.items() if one.sign_in is not None}
    for to in sorted(keys.keys() - wanted.keys()):
        faults.append(Fault(name, f"{to} is no destination whose file says sign_in"))
    for to, sign_in in wanted.items():
        if not any(key.algorithm is sign_in.algorithm for key in keys.get(to, ())):
            faults.append(
                Fault(name, f"{to} needs a key for {sign_in.algorithm.value}: its file says sign_in")
            )
    if faults:
        raise SettingsWrong(faults=faults)
    return keys


def check_all_mappings(mappings: Path, wording: Path | None) -> list[Fault]:
    """Returns every fault of the mappings in a folder."""
    faults = list(check_instruments(mappings / "instruments", wording))
    if faults:
        # Programme and sources name instruments: check them only after the instruments are right.
        return faults
    instruments = load_instruments(mappings / "instruments", wording)
    for check in (
        lambda: load_sources(mappings / "sources", load_programme(mappings / "programme.yaml", instruments)),
        lambda: load_destinations(mappings / "destinations", instruments.values()),
        lambda: load_wording(mappings / "letters" / "wording.yaml", instruments),
    ):
        try:
            check()
        except FhirPmpError as wrong:
            faults += wrong.faults
    return faults
