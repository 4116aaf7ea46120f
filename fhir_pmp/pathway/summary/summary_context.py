"""Holds the clinic, episode and time that every line of a summary is computed from."""

from dataclasses import dataclass
from datetime import datetime

from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Episode, Response
from fhir_pmp.pathway.programme.definition import Timepoint
from fhir_pmp.pathway.programme.timepoints import Absence, absence_of_response, is_within_window


@dataclass(frozen=True, slots=True)
class SummaryContext:
    """The clinic, the episode and the time of the summary (aware)."""

    clinic: ClinicalContext
    episode: Episode
    now: datetime

    def absence(self, timepoint: Timepoint, instrument: InstrumentId) -> Absence:
        """Why the timepoint has no response to the instrument."""
        return absence_of_response(timepoint, self.episode, instrument, self.now, self.clinic.zone)

    def is_outside_window(self, timepoint: Timepoint, response: Response) -> bool:
        """Whether the response lies outside the timepoint's window; False while the start is not known."""
        return is_within_window(timepoint, self.episode, response.authored, self.clinic.zone) is False
