"""One claimed lane on its way: sent in transactions, every answer understood, nothing open across the network."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog

from fhir_pmp.crash_points import reach
from fhir_pmp.ehr.addressing import Addressing
from fhir_pmp.ehr.capability import Capability
from fhir_pmp.ehr.conflicts import Stands, whose
from fhir_pmp.ehr.content import hash_of
from fhir_pmp.ehr.destinations import LARGEST_BUNDLE
from fhir_pmp.ehr.ledger import EDITED, Ledger, Taken, ToldToWait
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.outcomes import PAUSES, TRANSIENT, Meaning, Untrusted, Verdict, WireFailure
from fhir_pmp.ehr.proof import LEAST_LAG
from fhir_pmp.ehr.reads import Standing, read_standing
from fhir_pmp.ehr.rendering import place_holder, settled
from fhir_pmp.ehr.sorting import NOT_READ_YET, Knowledge, waiting_for
from fhir_pmp.ehr.writes import Write, Written, read_transaction_answer, transaction, verdict_of, write_one
from fhir_pmp.errors import FhirPmpError, NotUnderstood
from fhir_pmp.logs import place_of
from fhir_pmp.store import Store
from fhir_pmp.store.deliveries import Delivery, DeliveryState, Ended

ROUNDS = 3
"""How often a write that met a conflict is read, compared and sent again before it backs off."""
WAITS_FOR_SEARCH = "waits until a search must find it, if it arrived"
MARGIN = timedelta(seconds=15)
PRECONDITION_REQUIRED = 428


class Halt(Exception):
    """The lane cannot go on now. `maybe_there` are the deliveries whose request may have been done."""

    def __init__(self, verdict: Verdict, maybe_there: Sequence[Delivery] = ()) -> None:
        super().__init__(verdict.meaning.value)
        self.verdict = verdict
        self.maybe_there = maybe_there


class Stopping(Exception):
    """The process is to end, and the lane is at a place where it may be given back as it is."""


class ConsentEnded(Exception):
    """The person's consent does not cover something any more that was about to be sent."""


class LaneOnItsWay:
    """Sends the deliveries of one claim in order.

    Raises Halt, LeaseLost, ToldToWait, ConsentEnded, and Stopping once `stop` is set.
    """

    def __init__(
        self,
        store: Store,
        neighbour: Neighbour,
        capability: Capability,
        ledger: Ledger,
        known: Knowledge,
        clock: Callable[[], datetime],
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._stop = stop
        self._neighbour = neighbour
        self._client = neighbour.client
        self._capability = capability
        self._ledger = ledger
        self._known = known
        self._clock = clock
        self._addressing = Addressing(neighbour.client.base, neighbour.destination, capability, known)
        self._parked: set[str] = set()
        self._just_sorted_out = False
        self.wrote: set[str] = set()  # sent, and not yet written down

    def send(self, deliveries: Sequence[Delivery], *, just_sorted_out: bool) -> None:
        """Sends them all, targets first as they stand; `just_sorted_out`: nothing was asked or kept since they were."""
        self._just_sorted_out = just_sorted_out
        for chunk in self._chunks(deliveries):
            self._stop_here_if_asked()
            try:
                self._send_chunk(chunk)
            except (Halt, Stopping, ToldToWait, ConsentEnded, FhirPmpError) as known:
                if not isinstance(known, NotUnderstood):
                    raise
                self._send_the_rest(chunk, known)
            except Exception as unexpected:  # noqa: BLE001 - a fault of ours in one delivery is not its neighbours'
                self._send_the_rest(chunk, unexpected)

    def _send_the_rest(self, chunk: Sequence[Delivery], fault: Exception) -> None:
        """Buries what we cannot render and sends the others. Raises the fault where it is none of a single delivery."""
        going = [delivery for delivery in chunk if self._ledger.is_unanswered(delivery)]
        unrendered = [delivery for delivery in going if not self._can_render(delivery)]
        if not unrendered or self.wrote:
            raise fault
        structlog.get_logger().error(
            "delivery cannot be rendered", destination=self._neighbour.id, place=place_of(fault)
        )
        for delivery in unrendered:
            reason = "we cannot render it for this destination; the log names the place"
            self._bury(delivery, Verdict(Meaning.REFUSED, None, reason))
        self._send_chunk([delivery for delivery in going if delivery not in unrendered])

    def _can_render(self, delivery: Delivery) -> bool:
        try:
            self._addressing.write(delivery)
        except Exception:  # noqa: BLE001 - whatever it is, it is of this delivery
            return False
        return True

    def _stop_here_if_asked(self) -> None:
        """Between one delivery and the next: what was sent is answered for, what follows is untouched."""
        if self._stop():
            raise Stopping

    def _chunks(self, deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
        chunk: list[Delivery] = []
        size = 0
        for delivery in deliveries:
            full = len(chunk) >= self._neighbour.destination.entries_per_bundle
            if chunk and (full or size + len(delivery.content) > LARGEST_BUNDLE):
                yield chunk
                chunk, size = [], 0
            chunk.append(delivery)
            size += len(delivery.content)
        if chunk:
            yield chunk

    def _send_chunk(self, chunk: Sequence[Delivery]) -> None:
        # What may have arrived is never simply sent again: it is read first, and somebody's edit is not written over.
        arrived = [delivery for delivery in chunk if delivery.unknown or self._is_read_first(delivery)]
        left = {d.seq for d in chunk} - {d.seq for d in arrived}
        left |= {d.seq for d in self._settle_by_reading(arrived)}
        going = [delivery for delivery in chunk if delivery.seq in left]
        for _ in range(ROUNDS):
            self._stop_here_if_asked()
            going = self._without_dependants_of_parked(going)
            if len(going) < 2 or not self._capability.transaction:
                break
            verdict, written = self._send_together(going)
            if verdict.meaning is Meaning.DONE:
                self._take(going, written)
                return
            if verdict.meaning is not Meaning.CONFLICT:
                break  # one of them is refused, and the answer does not say which
            going = self._settle_by_reading(going)
        for delivery in going:
            self._stop_here_if_asked()
            if self._without_dependants_of_parked([delivery]):
                self._send_alone(delivery)

    def _is_read_first(self, delivery: Delivery) -> bool:
        """Whether something stands there that none of our versions is known to be, found by a comparison; or we are
        the ones who look for a match, since the server does not."""
        held = self._known.held.get(delivery.reference)
        if held is not None and held.version == NOT_READ_YET:
            return True
        return self._addressing.is_searched_first(delivery)

    def _send_together(self, going: Sequence[Delivery]) -> tuple[Verdict, list[tuple[Write, Written]]]:
        together = {delivery.reference for delivery in going}
        writes = [self._addressing.write(delivery, together) for delivery in going]
        self._before_write(going)
        self.wrote |= together
        try:
            answer = self._client.ask("POST", "", transaction(writes))
            reach("bundle answered")
            verdict = verdict_of(answer, self._clock())
            if verdict.meaning is Meaning.DONE:
                return verdict, list(zip(writes, read_transaction_answer(answer, writes), strict=True))
        except (WireFailure, Untrusted) as failure:
            raise Halt(Verdict(failure.meaning, None, str(failure)), going) from None
        self._halt_unless_final(verdict, going)
        self.wrote -= together
        return verdict, []

    def _take(self, going: Sequence[Delivery], written: Sequence[tuple[Write, Written]]) -> None:
        """A transaction was answered with success; a server that refused inside is asked again, one by one."""
        named = {place_holder(w.reference): one.place for w, one in written if w.conditional and one.place}
        taken, not_yet = [], []
        for delivery, (write, one) in zip(going, written, strict=True):
            if one.verdict.meaning is Meaning.DONE and one.etag is not None:
                taken.append(self._taken(delivery, write, one, named))
            else:
                not_yet.append((delivery, one))
        self._settle(taken)
        for delivery, one in not_yet:
            if one.verdict.meaning in (Meaning.DONE, Meaning.UNKNOWN):
                self._read_back(delivery)
            elif one.verdict.status in (200, 201):  # under another id: perhaps somebody else's record
                self._bury(delivery, one.verdict)
            elif self._without_dependants_of_parked([delivery]):
                self._send_alone(delivery)

    def _send_alone(self, delivery: Delivery) -> None:
        for _ in range(ROUNDS):
            write = self._addressing.write(delivery)
            one = self._write_one(delivery, write)
            match one.verdict.meaning:
                case Meaning.DONE if one.etag is not None:
                    return self._settle([self._taken(delivery, write, one, {})])
                case Meaning.DONE | Meaning.UNKNOWN:
                    return self._read_back(delivery)
                case Meaning.CONFLICT:
                    if not self._settle_by_reading([delivery]):
                        return None
                case Meaning.NOT_THERE if write.etag is not None and write.place == delivery.reference:
                    self._forget(delivery)  # it was lost there, and we may make it anew under its id
                case _:
                    return self._bury(delivery, one.verdict)
        if one.verdict.status == PRECONDITION_REQUIRED:
            return self._bury(delivery, one.verdict)  # it wants a condition other than the version it told us
        raise Halt(Verdict(Meaning.RETRY, 409, "it keeps changing at the destination"))

    def _write_one(self, delivery: Delivery, write: Write) -> Written:
        self._before_write([delivery])
        self.wrote.add(delivery.reference)
        try:
            one = write_one(self._client, write, self._clock())
        except (WireFailure, Untrusted) as failure:
            raise Halt(Verdict(failure.meaning, None, str(failure)), [delivery]) from None
        if one.verdict.meaning is not Meaning.UNKNOWN:
            self._halt_unless_final(one.verdict, [delivery])
        if one.verdict.meaning is not Meaning.DONE:
            self.wrote.discard(delivery.reference)
        return one

    def _before_write(self, going: Sequence[Delivery]) -> None:
        at_once = self._ledger.before_call(self._call_limit)
        just_sorted_out, self._just_sorted_out = self._just_sorted_out and at_once, False
        if just_sorted_out:
            return  # with the consent as it is
        with self._store.read() as books:
            if books.delivery_checks.no_longer_shared(going):
                raise ConsentEnded

    def _read_back(self, delivery: Delivery) -> None:
        """Success was answered without saying of what version: what stands there says it."""
        if self._settle_by_reading([delivery]):
            raise Halt(
                Verdict(Meaning.UNKNOWN, None, "answered with success and not found there"), [delivery]
            )

    def _settle_by_reading(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Reads and compares each; what is there as we wrote it is settled. What remains to be sent comes back."""
        remaining: list[Delivery] = []
        for at, delivery in enumerate(self._without_dependants_of_parked(deliveries)):
            if at:  # one alone is read because it was just written: that is not left open
                self._stop_here_if_asked()
            write = self._addressing.write(delivery)
            standing = self._read(delivery, write)
            match standing.verdict.meaning:
                case Meaning.DONE:
                    if not self._settle_standing(delivery, write, standing):
                        remaining.append(delivery)
                case Meaning.NOT_THERE:
                    self._wait_for_search(delivery, write)
                    self._forget(delivery)
                    remaining.append(delivery)
                case _:
                    self._bury(delivery, standing.verdict)
        return remaining

    def _wait_for_search(self, delivery: Delivery, write: Write) -> None:
        """What may have arrived and is not found is looked for once more, when a search must know of it.

        Also where the server does the looking: its condition may see what its search does not, and write over an edit
        that we were not shown, or miss it as well, and double it.
        """
        maybe_there = delivery.unknown or delivery.reference in self.wrote
        proof = self._capability.proof
        if not (write.conditional and maybe_there):
            return
        if delivery.reference in self.wrote or delivery.reason != WAITS_FOR_SEARCH:
            seconds = proof.seconds_to_wait if proof is not None else LEAST_LAG
            verdict = Verdict(Meaning.UNKNOWN, None, WAITS_FOR_SEARCH, seconds)
            raise Halt(verdict, [delivery])

    def _settle_standing(self, delivery: Delivery, write: Write, standing: Standing) -> bool:
        """Whether nothing is left to do about it. Where an older version of ours stands, its version tag is noted."""
        assert standing.resource is not None
        assert standing.place is not None
        others = list(self._other_versions(delivery))
        by_id = write.place is not None
        # Whatever is decided: what refers to it does so by this name, and is compared by it.
        self._known.stands_at(delivery.reference, standing.place)
        match whose(standing.resource, delivery.version, write.content, others, by_id=by_id):
            case Stands.THIS:
                status = standing.verdict.status or 200
                one = Written(Verdict(Meaning.DONE, status), standing.place, standing.etag)
                self._settle([self._taken(delivery, write, one, {})])
                return True
            case Stands.OLDER:
                self._known.note(delivery, standing.place, standing.etag)
                return False
            case Stands.NEWER:
                reason = "a newer version stands there"
                self._ledger.end([Ended(delivery.seq, DeliveryState.SUPERSEDED, 200, reason)])
            case Stands.FOREIGN:
                self._bury(delivery, Verdict(Meaning.CONFLICT, 200, "edited at the destination"), EDITED)
        return True

    def _other_versions(self, delivery: Delivery) -> Iterator[tuple[int, bytes]]:
        with self._store.read() as books:
            rows = books.delivery_checks.renderings(delivery.destination, delivery.reference)
        for version, published, sent in rows:
            if sent is not None:
                yield version, sent
            yield version, self._addressing.content(delivery, published)

    def _read(self, delivery: Delivery, write: Write) -> Standing:
        self._just_sorted_out = False
        self._ledger.before_call(self._call_limit)
        unknown = [delivery] if delivery.unknown or delivery.reference in self.wrote else []
        try:
            standing = read_standing(self._client, write, self._clock())
        except (WireFailure, Untrusted) as failure:
            raise Halt(Verdict(failure.meaning, None, str(failure)), unknown) from None
        self._halt_unless_final(standing.verdict, unknown)
        return standing

    def _settle(self, taken: Sequence[Taken]) -> None:
        self._ledger.settle(taken)
        if self._neighbour.drift is not None:
            self._neighbour.drift.look(self._store, self._neighbour.destination, self._client, taken)
        for one in taken:
            self._known.note(one.delivery, one.place, one.etag)
            self.wrote.discard(one.delivery.reference)

    def _taken(self, delivery: Delivery, write: Write, one: Written, named: dict[str, str]) -> Taken:
        assert one.place is not None
        content = settled(write.content, one.place, named, had_place=write.place is not None)
        return Taken(delivery, one.place, one.etag, one.verdict.status or 200, content, hash_of(content))

    def _bury(self, delivery: Delivery, verdict: Verdict, kind: str | None = None) -> None:
        self._just_sorted_out = False
        if verdict.meaning is Meaning.WRONG_WAY:
            self._neighbour.forget_capability()
        if kind is None:
            self._ledger.bury(delivery, verdict)
        else:
            self._ledger.bury(delivery, verdict, kind)
        if delivery.reference not in self._known.held:
            self._parked.add(delivery.reference)

    def _without_dependants_of_parked(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those that refer to nothing that was refused; the others wait for it and are never sent dangling."""
        going = []
        for delivery in deliveries:
            target = next((t for t in delivery.refs if t in self._parked), None)
            if target is None or delivery.type == "Bundle":
                going.append(delivery)
            else:
                self._ledger.end([waiting_for(delivery, target)])
                self._parked.add(delivery.reference)
        return going

    def _forget(self, delivery: Delivery) -> None:
        if self._known.held.pop(delivery.reference, None) is not None:
            self._ledger.forget(delivery.reference)

    def _halt_unless_final(self, verdict: Verdict, going: Sequence[Delivery]) -> None:
        if verdict.meaning in PAUSES:
            raise Halt(verdict)
        if verdict.meaning in TRANSIENT or verdict.meaning is Meaning.NOT_FINAL:
            maybe = verdict.meaning is not Meaning.RETRY
            raise Halt(verdict, going if maybe else ())

    @property
    def _call_limit(self) -> timedelta:
        limits = self._client.limits
        return timedelta(seconds=limits.whole_call + limits.connect) + MARGIN
