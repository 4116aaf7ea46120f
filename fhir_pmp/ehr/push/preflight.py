"""Checks before sending that the linked Patient and known remote ids are still ours."""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from fhir_pmp.ehr.config.destinations import PatientOwnership
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.identity.patient_link import check_linked_patient, is_link_lost, retire_link
from fhir_pmp.ehr.identity.patient_match import match_patient
from fhir_pmp.ehr.identity.remote_ownership import (
    RemoteCopy,
    check_owner,
    forget_remote_ids,
    load_remote_copies,
)
from fhir_pmp.ehr.push.claim_recorder import ClaimRecorder
from fhir_pmp.ehr.push.lane_exceptions import LaneHalted, StopRequested
from fhir_pmp.ehr.push.planning import LaneSnapshot
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.ehr.transport.response_class import (
    PAUSES,
    TRANSIENT,
    ClassifiedResponse,
    HttpResponseClass,
    Untrusted,
    WireFailure,
)
from fhir_pmp.identifiers import PersonId
from fhir_pmp.store import Store
from fhir_pmp.store.delivery.deliveries import DEFINITIONS_LANE, ClaimedLane


class PreflightChecks:
    """Checks one destination before a lane is sent.

    Raises LaneHalted where the EHR cannot answer now, LeaseLost, DestinationIsFailing and StopRequested.
    """

    def __init__(
        self,
        store: Store,
        connection: EhrConnection,
        clock: Callable[[], datetime],
        call_limit: timedelta,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._connection = connection
        self._clock = clock
        self._call_limit = call_limit
        self._stop = stop

    def check_patient_link(self, claim: ClaimedLane, snapshot: LaneSnapshot, recorder: ClaimRecorder) -> None:
        """Reads the linked Patient before anything is sent; a lost one ends the link."""
        ours = f"Patient/{claim.lane}"
        if self._connection.destination.patients is not PatientOwnership.THEIRS or ours not in snapshot.links:
            return
        recorder.prepare_call(self._call_limit)
        now = self._clock()
        try:
            match = check_linked_patient(self._store, self._connection.client, claim.destination, ours, now)
        except (WireFailure, Untrusted) as failure:
            raise LaneHalted(ClassifiedResponse(failure.response_class, None, str(failure))) from None
        if match.lost_reason is not None:
            with self._store.begin_without_publishing() as uow:
                for link in uow.remote_ids.find_by_remote(claim.destination, [snapshot.links.pop(ours)]):
                    retire_link(uow, claim.destination, link, match.lost_reason, now=now)
        elif match.classified.response_class in TRANSIENT | PAUSES:
            raise LaneHalted(match.classified)

    def is_unlinked(self, claim: ClaimedLane, snapshot: LaneSnapshot) -> bool:
        if (
            self._connection.destination.patients is not PatientOwnership.THEIRS
            or claim.lane == DEFINITIONS_LANE
        ):
            return False
        return f"Patient/{claim.lane}" not in snapshot.links

    def link(self, claim: ClaimedLane, snapshot: LaneSnapshot, recorder: ClaimRecorder) -> bool:
        """Whether exactly one active Patient at the destination is this person. Else the lane waits."""
        person_id = PersonId(claim.lane)
        with self._store.read() as uow:
            person = uow.people.get(person_id)
            lost = is_link_lost(uow, claim.destination, person_id)
        if lost:
            recorder.hold_for_decision("the linked patient is not in use any more")
            return False
        recorder.prepare_call(self._call_limit * max(len(person.identifiers), 1))
        client, destination = self._connection.client, self._connection.destination
        try:
            match = match_patient(client, destination, person, self._clock())
        except (WireFailure, Untrusted) as failure:
            raise LaneHalted(ClassifiedResponse(failure.response_class, None, str(failure))) from None
        if match.classified.response_class is not HttpResponseClass.DONE:
            final = match.classified.response_class not in TRANSIENT
            raise LaneHalted(
                ClassifiedResponse(
                    HttpResponseClass.PAUSE, match.classified.status, "it does not let us search"
                )
                if final
                else match.classified
            )
        ours = f"Patient/{person_id}"
        if match.remote_reference is None:
            details: dict[str, object] = {
                "matches": match.matches,
                "other_birth_date": match.other_birth_date,
                "not_active": match.not_active,
            }
            recorder.hold(
                match.reason,
                "Find out who this person is at the destination, or that they are not there.",
                details,
            )
            return False
        if recorder.link(ours, match.remote_reference, match.reason):
            return False  # what had waited goes before what came since
        snapshot.links[ours] = match.remote_reference
        return True

    def forget_lost_remote_ids(
        self, claim: ClaimedLane, snapshot: LaneSnapshot, recorder: ClaimRecorder
    ) -> bool:
        """Whether a remote id no longer refers to ours; the lane then starts again.

        A server that was emptied assigns its ids and versions again: a write to a stored remote id, or a reference to it, would
        reach another person's record.
        """
        elsewhere = [ours for ours, theirs in snapshot.links.items() if ours != theirs]
        if not elsewhere:
            return False
        with self._store.read() as uow:
            copies = load_remote_copies(uow, claim.destination, elsewhere)

        def before_each_call() -> None:
            if self._stop.is_set():
                raise StopRequested
            recorder.prepare_call(2 * self._call_limit)

        lost = find_lost_copies(self._connection.client, copies, self._clock, before_each_call)
        if lost:
            with self._store.begin_without_publishing() as uow:
                forget_remote_ids(uow, claim.destination, lost, now=self._clock())
            recorder.release()
        return bool(lost)


def find_lost_copies(
    client: EhrClient,
    copies: Iterable[RemoteCopy],
    clock: Callable[[], datetime],
    before_each_call: Callable[[], None],
) -> list[str]:
    """Finds the copies that the server no longer has under their ids.

    Raises LaneHalted if the server cannot tell now.
    """
    lost_references = []
    for one in copies:
        before_each_call()
        try:
            classified = check_owner(client, one, clock())
        except (WireFailure, Untrusted) as failure:
            raise LaneHalted(ClassifiedResponse(failure.response_class, None, str(failure))) from None
        if classified.response_class in TRANSIENT | PAUSES:
            raise LaneHalted(classified)
        if classified.response_class is HttpResponseClass.NOT_FOUND:
            lost_references.append(one.reference)
    return lost_references
