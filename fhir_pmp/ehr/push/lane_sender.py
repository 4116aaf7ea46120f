"""Sends one claimed lane in transactions and classifies every response.

No database transaction is open during a call.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog

from fhir_pmp.crash_points import reach
from fhir_pmp.ehr.capability.server_capability import Capability
from fhir_pmp.ehr.capability.verified_capability import SHORTEST_SEARCH_WAIT
from fhir_pmp.ehr.config.content import sha256_hex
from fhir_pmp.ehr.config.destinations import LARGEST_BUNDLE
from fhir_pmp.ehr.config.work_item_kinds import EDITED
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.exchange.reads import ReadResult, read_before_write
from fhir_pmp.ehr.exchange.rendering import fill_in_server_ids, transaction_placeholder
from fhir_pmp.ehr.exchange.writes import (
    AcknowledgedWrite,
    Write,
    WriteResult,
    classify_response,
    read_transaction_answer,
    transaction,
    write_one,
)
from fhir_pmp.ehr.identity.version_compare import ContentOrigin, classify_content
from fhir_pmp.ehr.push.claim_recorder import ClaimRecorder
from fhir_pmp.ehr.push.lane_exceptions import ConsentEnded, DestinationIsFailing, LaneHalted, StopRequested
from fhir_pmp.ehr.push.planning import UNREAD_VERSION, LaneSnapshot, waiting_for
from fhir_pmp.ehr.push.write_builder import WriteBuilder
from fhir_pmp.ehr.transport.response_class import (
    PAUSES,
    TRANSIENT,
    ClassifiedResponse,
    HttpResponseClass,
    Untrusted,
    WireFailure,
)
from fhir_pmp.errors import FhirPmpError, NotUnderstood
from fhir_pmp.logs import error_location
from fhir_pmp.store import Store
from fhir_pmp.store.delivery.deliveries import Delivery, DeliveryState, EndedResult

MAX_ROUNDS = 3
"""How often a write that met a conflict is read, compared and sent again before it backs off."""
WAITING_FOR_SEARCH_INDEX = "waits until a search must find it, if it arrived"
LEASE_MARGIN = timedelta(seconds=15)
PRECONDITION_REQUIRED = 428


class LaneSender:
    """Sends the deliveries of one claim in order.

    Raises LaneHalted, LeaseLost, DestinationIsFailing, ConsentEnded, and StopRequested once `stop` is set.
    """

    def __init__(
        self,
        store: Store,
        connection: EhrConnection,
        capability: Capability,
        recorder: ClaimRecorder,
        snapshot: LaneSnapshot,
        clock: Callable[[], datetime],
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._stop = stop
        self._connection = connection
        self._client = connection.client
        self._capability = capability
        self._recorder = recorder
        self._snapshot = snapshot
        self._clock = clock
        self._write_builder = WriteBuilder(
            connection.client.base, connection.destination, capability, snapshot
        )
        self._blocked: set[str] = set()
        self._just_planned = False
        self.unrecorded_writes: set[str] = set()  # sent, and not yet written down

    def send(self, deliveries: Sequence[Delivery], *, just_planned: bool) -> None:
        """Sends all deliveries, referenced resources first.

        `just_planned`: nothing was queried or stored since they were planned.
        """
        self._just_planned = just_planned
        for chunk in self._chunks(deliveries):
            self._raise_if_stopping()
            try:
                self._send_chunk(chunk)
            except (LaneHalted, StopRequested, DestinationIsFailing, ConsentEnded, FhirPmpError) as ended:
                if not isinstance(ended, NotUnderstood):
                    raise
                self._dead_letter_unrendered(chunk, ended)
            except Exception as unexpected:  # noqa: BLE001 - a fault of ours in one delivery must not stop the others
                self._dead_letter_unrendered(chunk, unexpected)

    def _dead_letter_unrendered(self, chunk: Sequence[Delivery], fault: Exception) -> None:
        """Buries what we cannot render and sends the others. Raises the fault where it is none of a single delivery."""
        sending = [delivery for delivery in chunk if self._recorder.is_unrecorded(delivery)]
        unrendered = [delivery for delivery in sending if not self._can_render(delivery)]
        if not unrendered or self.unrecorded_writes:
            raise fault
        structlog.get_logger().error(
            "delivery cannot be rendered",
            destination=self._connection.id,
            place=error_location(fault),
        )
        for delivery in unrendered:
            reason = "we cannot render it for this destination; the log names the place"
            self._dead_letter(delivery, ClassifiedResponse(HttpResponseClass.REFUSED, None, reason))
        self._send_chunk([delivery for delivery in sending if delivery not in unrendered])

    def _can_render(self, delivery: Delivery) -> bool:
        try:
            self._write_builder.write(delivery)
        except Exception:  # noqa: BLE001 - whatever it is, it is of this delivery
            return False
        return True

    def _raise_if_stopping(self) -> None:
        """Between one delivery and the next: what was sent is answered for, what follows is untouched."""
        if self._stop():
            raise StopRequested

    def _chunks(self, deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
        chunk: list[Delivery] = []
        size = 0
        for delivery in deliveries:
            full = len(chunk) >= self._connection.destination.entries_per_bundle
            if chunk and (full or size + len(delivery.content) > LARGEST_BUNDLE):
                yield chunk
                chunk, size = [], 0
            chunk.append(delivery)
            size += len(delivery.content)
        if chunk:
            yield chunk

    def _send_chunk(self, chunk: Sequence[Delivery]) -> None:
        # What may have arrived is never simply sent again: it is read first, and somebody's edit is not written over.
        arrived = [
            delivery for delivery in chunk if delivery.may_have_arrived or self._must_read_first(delivery)
        ]
        left = {d.seq for d in chunk} - {d.seq for d in arrived}
        left |= {d.seq for d in self._acknowledge_by_reading(arrived)}
        sending = [delivery for delivery in chunk if delivery.seq in left]
        for _ in range(MAX_ROUNDS):
            self._raise_if_stopping()
            sending = self._without_dependants_of_blocked(sending)
            if len(sending) < 2 or not self._capability.transaction:
                break
            classified, written = self._send_together(sending)
            if classified.response_class is HttpResponseClass.DONE:
                self._acknowledge_transaction(sending, written)
                return
            if classified.response_class is not HttpResponseClass.CONFLICT:
                break  # one of them is refused, and the answer does not say which
            sending = self._acknowledge_by_reading(sending)
        for delivery in sending:
            self._raise_if_stopping()
            if self._without_dependants_of_blocked([delivery]):
                self._send_alone(delivery)

    def _must_read_first(self, delivery: Delivery) -> bool:
        """Whether something stands there that none of our versions is known to be, found by a comparison; or we are
        the ones who look for a match, since the server does not."""
        held = self._snapshot.held.get(delivery.reference)
        if held is not None and held.version == UNREAD_VERSION:
            return True
        return self._write_builder.needs_search_first_for(delivery)

    def _send_together(
        self, sending: Sequence[Delivery]
    ) -> tuple[ClassifiedResponse, list[tuple[Write, WriteResult]]]:
        together = {delivery.reference for delivery in sending}
        writes = [self._write_builder.write(delivery, together) for delivery in sending]
        self._prepare_write(sending)
        self.unrecorded_writes |= together
        try:
            answer = self._client.ask("POST", "", transaction(writes))
            reach("bundle answered")
            classified = classify_response(answer, self._clock())
            if classified.response_class is HttpResponseClass.DONE:
                return classified, list(zip(writes, read_transaction_answer(answer, writes), strict=True))
        except (WireFailure, Untrusted) as failure:
            raise LaneHalted(
                ClassifiedResponse(failure.response_class, None, str(failure)), sending
            ) from None
        self._halt_unless_final(classified, sending)
        self.unrecorded_writes -= together
        return classified, []

    def _acknowledge_transaction(
        self, sending: Sequence[Delivery], written: Sequence[tuple[Write, WriteResult]]
    ) -> None:
        """A transaction was answered with success; a server that refused inside is asked again, one by one."""
        named = {
            transaction_placeholder(w.reference): one.remote_reference
            for w, one in written
            if w.conditional and one.remote_reference
        }
        acknowledged, not_yet = [], []
        for delivery, (write, one) in zip(sending, written, strict=True):
            if one.classified.response_class is HttpResponseClass.DONE and one.etag is not None:
                acknowledged.append(self._acknowledged_write(delivery, write, one, named))
            else:
                not_yet.append((delivery, one))
        self._acknowledge(acknowledged)
        for delivery, one in not_yet:
            if one.classified.response_class in (HttpResponseClass.DONE, HttpResponseClass.UNKNOWN):
                self._read_back(delivery)
            elif one.classified.status in (200, 201):  # under another id: perhaps somebody else's record
                self._dead_letter(delivery, one.classified)
            elif self._without_dependants_of_blocked([delivery]):
                self._send_alone(delivery)

    def _send_alone(self, delivery: Delivery) -> None:
        for _ in range(MAX_ROUNDS):
            write = self._write_builder.write(delivery)
            one = self._write_one(delivery, write)
            match one.classified.response_class:
                case HttpResponseClass.DONE if one.etag is not None:
                    return self._acknowledge([self._acknowledged_write(delivery, write, one, {})])
                case HttpResponseClass.DONE | HttpResponseClass.UNKNOWN:
                    return self._read_back(delivery)
                case HttpResponseClass.CONFLICT:
                    if not self._acknowledge_by_reading([delivery]):
                        return None
                case HttpResponseClass.NOT_FOUND if (
                    write.etag is not None and write.remote_reference == delivery.reference
                ):
                    self._forget(delivery)  # it was lost there, and we may make it anew under its id
                case _:
                    return self._dead_letter(delivery, one.classified)
        if one.classified.status == PRECONDITION_REQUIRED:
            return self._dead_letter(
                delivery, one.classified
            )  # it wants a condition other than the version it told us
        raise LaneHalted(
            ClassifiedResponse(HttpResponseClass.RETRY, 409, "it keeps changing at the destination")
        )

    def _write_one(self, delivery: Delivery, write: Write) -> WriteResult:
        self._prepare_write([delivery])
        self.unrecorded_writes.add(delivery.reference)
        try:
            one = write_one(self._client, write, self._clock())
        except (WireFailure, Untrusted) as failure:
            raise LaneHalted(
                ClassifiedResponse(failure.response_class, None, str(failure)), [delivery]
            ) from None
        if one.classified.response_class is not HttpResponseClass.UNKNOWN:
            self._halt_unless_final(one.classified, [delivery])
        if one.classified.response_class is not HttpResponseClass.DONE:
            self.unrecorded_writes.discard(delivery.reference)
        return one

    def _prepare_write(self, sending: Sequence[Delivery]) -> None:
        is_recent = self._recorder.prepare_call(self._call_limit)
        just_planned, self._just_planned = self._just_planned and is_recent, False
        if just_planned:
            return  # with the consent as it is
        with self._store.read() as uow:
            if uow.delivery_checks.find_no_longer_shared(sending):
                raise ConsentEnded

    def _read_back(self, delivery: Delivery) -> None:
        """Success was answered without saying of what version: what stands there says it."""
        if self._acknowledge_by_reading([delivery]):
            raise LaneHalted(
                ClassifiedResponse(
                    HttpResponseClass.UNKNOWN, None, "answered with success and not found there"
                ),
                [delivery],
            )

    def _acknowledge_by_reading(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Reads and compares each; what is there as we wrote it is settled. What remains to be sent comes back."""
        remaining: list[Delivery] = []
        for at, delivery in enumerate(self._without_dependants_of_blocked(deliveries)):
            if at:  # one alone is read because it was just written: that is not left open
                self._raise_if_stopping()
            write = self._write_builder.write(delivery)
            found = self._read(delivery, write)
            match found.classified.response_class:
                case HttpResponseClass.DONE:
                    if not self._compare_found(delivery, write, found):
                        remaining.append(delivery)
                case HttpResponseClass.NOT_FOUND:
                    self._wait_for_search(delivery, write)
                    self._forget(delivery)
                    remaining.append(delivery)
                case _:
                    self._dead_letter(delivery, found.classified)
        return remaining

    def _wait_for_search(self, delivery: Delivery, write: Write) -> None:
        """What may have arrived and is not found is looked for once more, when a search must know of it.

        Also where the server does the looking: its condition may see what its search does not, and write over an edit
        that we were not shown, or miss it as well, and double it.
        """
        possibly_written = delivery.may_have_arrived or delivery.reference in self.unrecorded_writes
        verified = self._capability.verified
        if not (write.conditional and possibly_written):
            return
        if delivery.reference in self.unrecorded_writes or delivery.reason != WAITING_FOR_SEARCH_INDEX:
            seconds = verified.search_wait_seconds if verified is not None else SHORTEST_SEARCH_WAIT
            classified = ClassifiedResponse(
                HttpResponseClass.UNKNOWN, None, WAITING_FOR_SEARCH_INDEX, seconds
            )
            raise LaneHalted(classified, [delivery])

    def _compare_found(self, delivery: Delivery, write: Write, found: ReadResult) -> bool:
        """Whether nothing is left to do about it. Where an older version of ours stands, its version tag is noted."""
        assert found.resource is not None
        assert found.remote_reference is not None
        others = list(self._other_versions(delivery))
        with_id = write.remote_reference is not None
        # Whatever is decided: what refers to it does so by this name, and is compared by it.
        self._snapshot.record_remote_reference(delivery.reference, found.remote_reference)
        match classify_content(found.resource, delivery.version, write.content, others, with_id=with_id):
            case ContentOrigin.THIS:
                status = found.classified.status or 200
                one = WriteResult(
                    ClassifiedResponse(HttpResponseClass.DONE, status), found.remote_reference, found.etag
                )
                self._acknowledge([self._acknowledged_write(delivery, write, one, {})])
                return True
            case ContentOrigin.OLDER:
                self._snapshot.record_version(delivery, found.remote_reference, found.etag)
                return False
            case ContentOrigin.NEWER:
                reason = "a newer version stands there"
                self._recorder.end([EndedResult(delivery.seq, DeliveryState.SUPERSEDED, 200, reason)])
            case ContentOrigin.FOREIGN:
                self._dead_letter(
                    delivery,
                    ClassifiedResponse(HttpResponseClass.CONFLICT, 200, "edited at the destination"),
                    EDITED,
                )
        return True

    def _other_versions(self, delivery: Delivery) -> Iterator[tuple[int, bytes]]:
        with self._store.read() as uow:
            rows = uow.delivery_checks.list_renderings(delivery.destination, delivery.reference)
        for version, published, sent in rows:
            if sent is not None:
                yield version, sent
            yield version, self._write_builder.content(delivery, published)

    def _read(self, delivery: Delivery, write: Write) -> ReadResult:
        self._just_planned = False
        self._recorder.prepare_call(self._call_limit)
        unknown = (
            [delivery] if delivery.may_have_arrived or delivery.reference in self.unrecorded_writes else []
        )
        try:
            found = read_before_write(self._client, write, self._clock())
        except (WireFailure, Untrusted) as failure:
            raise LaneHalted(
                ClassifiedResponse(failure.response_class, None, str(failure)), unknown
            ) from None
        self._halt_unless_final(found.classified, unknown)
        return found

    def _acknowledge(self, acknowledged: Sequence[AcknowledgedWrite]) -> None:
        self._recorder.acknowledge(acknowledged)
        if self._connection.readback is not None:
            self._connection.readback.check(
                self._store, self._connection.destination, self._client, acknowledged
            )
        for one in acknowledged:
            self._snapshot.record_version(one.delivery, one.remote_reference, one.etag)
            self.unrecorded_writes.discard(one.delivery.reference)

    def _acknowledged_write(
        self, delivery: Delivery, write: Write, one: WriteResult, named: dict[str, str]
    ) -> AcknowledgedWrite:
        assert one.remote_reference is not None
        content = fill_in_server_ids(
            write.content,
            one.remote_reference,
            named,
            had_remote_reference=write.remote_reference is not None,
        )
        return AcknowledgedWrite(
            delivery,
            one.remote_reference,
            one.etag,
            one.classified.status or 200,
            content,
            sha256_hex(content),
        )

    def _dead_letter(
        self, delivery: Delivery, classified: ClassifiedResponse, kind: str | None = None
    ) -> None:
        self._just_planned = False
        if classified.response_class is HttpResponseClass.UNSUPPORTED_INTERACTION:
            self._connection.forget_capability()
        if kind is None:
            self._recorder.dead_letter(delivery, classified)
        else:
            self._recorder.dead_letter(delivery, classified, kind)
        if delivery.reference not in self._snapshot.held:
            self._blocked.add(delivery.reference)

    def _without_dependants_of_blocked(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those that refer to nothing that was refused; the others wait for it and are never sent dangling."""
        sending = []
        for delivery in deliveries:
            target = next((t for t in delivery.refs if t in self._blocked), None)
            if target is None or delivery.type == "Bundle":
                sending.append(delivery)
            else:
                self._recorder.end([waiting_for(delivery, target)])
                self._blocked.add(delivery.reference)
        return sending

    def _forget(self, delivery: Delivery) -> None:
        if self._snapshot.held.pop(delivery.reference, None) is not None:
            self._recorder.forget(delivery.reference)

    def _halt_unless_final(self, classified: ClassifiedResponse, sending: Sequence[Delivery]) -> None:
        if classified.response_class in PAUSES:
            raise LaneHalted(classified)
        if classified.response_class in TRANSIENT or classified.response_class is HttpResponseClass.NOT_FINAL:
            maybe = classified.response_class is not HttpResponseClass.RETRY
            raise LaneHalted(classified, sending if maybe else ())

    @property
    def _call_limit(self) -> timedelta:
        limits = self._client.limits
        return timedelta(seconds=limits.whole_call + limits.connect) + LEASE_MARGIN
