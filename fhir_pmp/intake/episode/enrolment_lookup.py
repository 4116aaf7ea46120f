"""Finds the episode of a platform's enrolment."""

from fhir_pmp.errors import NotFound
from fhir_pmp.identifiers import SourceId
from fhir_pmp.pathway.facts import Episode
from fhir_pmp.store import UnitOfWork


class EnrolmentUnknown(NotFound):
    """No enrolment of that id is known. The platform sends the person first."""


def find_enrolment(uow: UnitOfWork, source: SourceId, enrolment: str) -> Episode:
    """The episode of a platform's enrolment. Raises EnrolmentUnknown."""
    found = uow.episodes.find_by_enrolment(source, enrolment)
    if found is None:
        raise EnrolmentUnknown(field="enrolment")
    return found
