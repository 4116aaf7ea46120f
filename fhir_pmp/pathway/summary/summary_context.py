"""One episode seen at one moment: what every line of its summary is judged against."""

from dataclasses import dataclass
from datetime import datetime

from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Episode, Response
from fhir_pmp.pathway.programme.definition import Timepoint
from fhir_pmp.pathway.programme.timepoints import Absence, absence_of_response, is_within_window


@dataclass(frozen=True, slots=True)
class SummaryContext:
    """The clinic, the episode and the time at which it is looked at (aware)."""

    clinic: ClinicalContext
    episode: Episode
    now: datetime

    def absence(self, timepoint: Timepoint, instrument: InstrumentId) -> Absence:
        """Why no response to the instrument is there."""
        return absence_of_response(timepoint, self.episode, instrument, self.now, self.clinic.zone)

    def is_outside_window(self, timepoint: Timepoint, response: Response) -> bool:
        """Whether the response turned out to lie outside the timepoint's window."""
        return is_within_window(timepoint, self.episode, response.authored, self.clinic.zone) is False
