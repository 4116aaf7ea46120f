"""Exceptions that end the sending of an ordering lane before its last delivery."""

from collections.abc import Sequence

from fhir_pmp.ehr.transport.response_class import ClassifiedResponse
from fhir_pmp.store.delivery.deliveries import Delivery


class LaneHalted(Exception):
    """The lane cannot go on now. `maybe_there` are the deliveries whose request may have been done."""

    def __init__(self, classified: ClassifiedResponse, possibly_written: Sequence[Delivery] = ()) -> None:
        super().__init__(classified.response_class.value)
        self.classified = classified
        self.possibly_written = possibly_written


class StopRequested(Exception):
    """The process is to end, and the lane is at a place where it may be given back as it is."""


class ConsentEnded(Exception):
    """The person's consent does not cover something any more that was about to be sent."""


class DestinationIsFailing(Exception):
    """The destination was found sick since this lane was begun: what it asks for holds for the lane as well."""
