"""Exceptions that end the sending of an ordering lane before its last delivery."""

from collections.abc import Sequence

from fhir_pmp.ehr.transport.response_class import ClassifiedResponse
from fhir_pmp.store.delivery.deliveries import Delivery


class LaneHalted(Exception):
    """The lane cannot continue now.

    `possibly_written`: the deliveries whose request the server may have executed.
    """

    def __init__(self, classified: ClassifiedResponse, possibly_written: Sequence[Delivery] = ()) -> None:
        super().__init__(classified.response_class.value)
        self.classified = classified
        self.possibly_written = possibly_written


class StopRequested(Exception):
    """The process is to end, and the lane can be released unchanged."""


class ConsentEnded(Exception):
    """The person's consent does not cover something any more that was about to be sent."""


class DestinationIsFailing(Exception):
    """The destination was found failing since this lane was started; the lane waits as well."""
