"""What a claim's holder can say of a delivery, as statements that count only under the claim's own epoch."""

from collections.abc import Sequence
from datetime import datetime

from fhir_pmp.store.batches import BulkUpdate
from fhir_pmp.store.columns import milliseconds
from fhir_pmp.store.deliveries import Ended, PutBack, Sent

Rows = list[tuple[object, ...]]

_OF_CLAIM = "WHERE seq = :seq AND lease_epoch = :epoch AND state = 'in_flight'"
LEASE_IN_DOUBT = BulkUpdate(
    "UPDATE outbox SET state = 'in_flight', lease_epoch = :epoch, lease_until = :until, unknown = TRUE, "
    "attempts = :attempts WHERE seq = :seq"
)
SENT = BulkUpdate(
    "UPDATE outbox SET state = 'sent', attempts = attempts + 1, unknown = FALSE, lease_until = NULL, "
    "last_status = :status, reason = NULL, etag = :etag, sent_hash = :sent_hash, sent_bytes = :sent_bytes, "
    f"sent_at = :now, tried_at = COALESCE(tried_at, :now) {_OF_CLAIM}"
)
PUT_BACK = BulkUpdate(
    "UPDATE outbox SET state = 'pending', attempts = attempts + 1, unknown = (unknown OR :unknown), "
    "lease_until = NULL, last_status = :status, reason = :reason, next_at = :next_at, "
    f"tried_at = COALESCE(tried_at, :now) {_OF_CLAIM}"
)
ENDED = BulkUpdate(
    "UPDATE outbox SET state = :state, lease_until = NULL, last_status = :status, reason = :reason, "
    f"attempts = attempts + :tried {_OF_CLAIM}"
)


def sent_rows(sent: Sequence[Sent], now: datetime, epoch: int) -> Rows:
    """The values of SENT."""
    at = milliseconds(now)
    return [(s.status, s.etag, s.sent_hash, s.sent_bytes, at, at, s.seq, epoch) for s in sent]


def put_back_rows(back: Sequence[PutBack], now: datetime, epoch: int) -> Rows:
    """The values of PUT_BACK."""
    at = milliseconds(now)
    return [(b.unknown, b.status, b.reason, milliseconds(b.next_at), at, b.seq, epoch) for b in back]


def ended_rows(ended: Sequence[Ended], epoch: int) -> Rows:
    """The values of ENDED. One that was never asked for has no status and was no attempt."""
    return [(e.state.value, e.status, e.reason, int(e.status is not None), e.seq, epoch) for e in ended]
