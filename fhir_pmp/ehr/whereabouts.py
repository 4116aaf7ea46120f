"""Before anything is sent: whether whom and what a lane is about still stands where it is remembered at the destination."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from fhir_pmp.ehr.destinations import Patients
from fhir_pmp.ehr.lane import Halt, Stopping
from fhir_pmp.ehr.ledger import Ledger
from fhir_pmp.ehr.linking import is_lost, look_at_linked, lose_link
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.outcomes import PAUSES, TRANSIENT, Meaning, Untrusted, Verdict, WireFailure
from fhir_pmp.ehr.patients import look_for_patient
from fhir_pmp.ehr.places import find_lost, lose_places, placed
from fhir_pmp.ehr.sorting import Knowledge
from fhir_pmp.identifiers import PersonId
from fhir_pmp.store import Store
from fhir_pmp.store.deliveries import DEFINITIONS_LANE, ClaimedLane


class Whereabouts:
    """Looks at one destination. Raises Halt where that cannot be found out now, LeaseLost, ToldToWait, Stopping."""

    def __init__(
        self,
        store: Store,
        neighbour: Neighbour,
        clock: Callable[[], datetime],
        one_call: timedelta,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._neighbour = neighbour
        self._clock = clock
        self._one_call = one_call
        self._stop = stop

    def check_link(self, claim: ClaimedLane, known: Knowledge, ledger: Ledger) -> None:
        """The remembered Patient is looked at before anything is sent about it: one that is gone is one no more."""
        ours = f"Patient/{claim.lane}"
        if self._neighbour.destination.patients is not Patients.THEIRS or ours not in known.links:
            return
        ledger.before_call(self._one_call)
        now = self._clock()
        try:
            looked = look_at_linked(self._store, self._neighbour.client, claim.destination, ours, now)
        except (WireFailure, Untrusted) as failure:
            raise Halt(Verdict(failure.meaning, None, str(failure))) from None
        if looked.why_lost is not None:
            with self._store.begin_beside() as books:
                for link in books.destination_ids.leading_to(claim.destination, [known.links.pop(ours)]):
                    lose_link(books, claim.destination, link, looked.why_lost, now=now)
        elif looked.verdict.meaning in TRANSIENT | PAUSES:
            raise Halt(looked.verdict)

    def is_unlinked(self, claim: ClaimedLane, known: Knowledge) -> bool:
        if self._neighbour.destination.patients is not Patients.THEIRS or claim.lane == DEFINITIONS_LANE:
            return False
        return f"Patient/{claim.lane}" not in known.links

    def link(self, claim: ClaimedLane, known: Knowledge, ledger: Ledger) -> bool:
        """Whether the destination has exactly one active patient who is this person. Else the lane waits."""
        person_id = PersonId(claim.lane)
        with self._store.read() as books:
            person = books.people.get(person_id)
            lost = is_lost(books, claim.destination, person_id)
        if lost:
            ledger.wait("the linked patient is not in use any more")
            return False
        ledger.before_call(self._one_call * max(len(person.identifiers), 1))
        client, destination = self._neighbour.client, self._neighbour.destination
        try:
            looked = look_for_patient(client, destination, person, self._clock())
        except (WireFailure, Untrusted) as failure:
            raise Halt(Verdict(failure.meaning, None, str(failure))) from None
        if looked.verdict.meaning is not Meaning.DONE:
            final = looked.verdict.meaning not in TRANSIENT
            raise Halt(
                Verdict(Meaning.PAUSE, looked.verdict.status, "it does not let us search")
                if final
                else looked.verdict
            )
        ours = f"Patient/{person_id}"
        if looked.place is None:
            details: dict[str, object] = {
                "matches": looked.matches,
                "other_birth_date": looked.other_birth_date,
                "not_active": looked.not_active,
            }
            ledger.park(
                looked.reason,
                "Find out who this person is at the destination, or that they are not there.",
                details,
            )
            return False
        if ledger.link(ours, looked.place, looked.reason):
            return False  # what had waited goes before what came since
        known.links[ours] = looked.place
        return True

    def loses_places(self, claim: ClaimedLane, known: Knowledge, ledger: Ledger) -> bool:
        """Whether something stands no more where the server had put it; the lane is given back then, to begin anew.

        A server that was emptied gives its ids out again, and its versions: what is written to a remembered place, or
        refers to one, would reach somebody else's record.
        """
        elsewhere = [ours for ours, theirs in known.links.items() if ours != theirs]
        if not elsewhere:
            return False
        with self._store.read() as books:
            remembered = placed(books, claim.destination, elsewhere)

        def before_each() -> None:
            if self._stop.is_set():
                raise Stopping
            ledger.before_call(2 * self._one_call)

        lost = find_lost(self._neighbour.client, remembered, self._clock, before_each)
        if lost:
            with self._store.begin_beside() as books:
                lose_places(books, claim.destination, lost, now=self._clock())
            ledger.let_go()
        return bool(lost)
