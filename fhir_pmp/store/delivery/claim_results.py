"""What a claim's holder can say of a delivery, as statements that count only under the claim's own epoch."""

from collections.abc import Sequence
from datetime import datetime

from fhir_pmp.store.delivery.deliveries import EndedResult, PutBackResult, SentResult
from fhir_pmp.store.engine.bulk import BulkUpdate
from fhir_pmp.store.engine.columns import to_milliseconds

Rows = list[tuple[object, ...]]

_OF_CLAIM = "WHERE seq = :seq AND lease_epoch = :epoch AND state = 'in_flight'"
LEASE_UNVERIFIED = BulkUpdate(
    "UPDATE outbox SET state = 'in_flight', lease_epoch = :epoch, lease_until = :until, may_have_arrived = TRUE, "
    "attempts = :attempts WHERE seq = :seq"
)
MARK_SENT = BulkUpdate(
    "UPDATE outbox SET state = 'sent', attempts = attempts + 1, may_have_arrived = FALSE, lease_until = NULL, "
    "last_status = :status, reason = NULL, etag = :etag, sent_hash = :sent_hash, sent_bytes = :sent_bytes, "
    f"sent_at = :now, first_attempt_at = COALESCE(first_attempt_at, :now) {_OF_CLAIM}"
)
MARK_PUT_BACK = BulkUpdate(
    "UPDATE outbox SET state = 'pending', attempts = attempts + 1, may_have_arrived = (may_have_arrived OR :may_have_arrived), "
    "lease_until = NULL, last_status = :status, reason = :reason, next_attempt_at = :next_attempt_at, "
    f"first_attempt_at = COALESCE(first_attempt_at, :now) {_OF_CLAIM}"
)
MARK_ENDED = BulkUpdate(
    "UPDATE outbox SET state = :state, lease_until = NULL, last_status = :status, reason = :reason, "
    f"attempts = attempts + :tried {_OF_CLAIM}"
)


def sent_rows(sent: Sequence[SentResult], now: datetime, epoch: int) -> Rows:
    """The values of SENT."""
    at = to_milliseconds(now)
    return [(s.status, s.etag, s.sent_hash, s.sent_bytes, at, at, s.seq, epoch) for s in sent]


def put_back_rows(back: Sequence[PutBackResult], now: datetime, epoch: int) -> Rows:
    """The values of PUT_BACK."""
    at = to_milliseconds(now)
    return [
        (b.may_have_arrived, b.status, b.reason, to_milliseconds(b.next_attempt_at), at, b.seq, epoch)
        for b in back
    ]


def ended_rows(ended: Sequence[EndedResult], epoch: int) -> Rows:
    """The values of ENDED. One that was never asked for has no status and was no attempt."""
    return [(e.state.value, e.status, e.reason, int(e.status is not None), e.seq, epoch) for e in ended]
