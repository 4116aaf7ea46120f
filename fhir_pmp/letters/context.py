"""Holds what letters need: clinic, wording, publisher and typesetter."""

from dataclasses import dataclass
from pathlib import Path

from fhir_pmp.letters.rendering.typesetting import Typesetter
from fhir_pmp.letters.text.letter_wording import Wording, load_wording
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.publishing_context import PublishingContext


@dataclass(frozen=True, slots=True)
class LetterContext:
    """Built once at start. Threads may share it; `close()` ends the typesetting process."""

    clinic: ClinicalContext
    wording: Wording
    publisher: Publisher
    typesetter: Typesetter

    @classmethod
    def open(cls, folder: Path, clinic: ClinicalContext, publisher: Publisher) -> "LetterContext":
        """Loads wording and layout from that folder (mappings/letters). Raises MappingFaults."""
        wording = load_wording(folder / "wording.yaml", clinic.instruments)
        return cls(clinic, wording, publisher, Typesetter(folder))

    @property
    def publishing(self) -> PublishingContext:
        """The clinic and the publisher, for functions that record and publish."""
        return PublishingContext(self.clinic, self.publisher)

    def close(self) -> None:
        """Ends the child process."""
        self.typesetter.close()
