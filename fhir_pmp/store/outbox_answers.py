"""What a claim's holder can say of a delivery, as statements that count only under the claim's own epoch."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from fhir_pmp.store.batches import BulkUpdate
from fhir_pmp.store.columns import milliseconds
from fhir_pmp.store.deliveries import Ended, PutBack, Sent

Rows = list[Mapping[str, object]]

_OF_CLAIM = "WHERE seq = :seq AND lease_epoch = :epoch AND state = 'in_flight'"
LEASE = BulkUpdate(
    "UPDATE outbox SET state = 'in_flight', lease_epoch = :epoch, lease_until = :until, unknown = :unknown, "
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


def sent_rows(sent: Sequence[Sent], now: datetime) -> Rows:
    """The parameters of SENT, but for the epoch."""
    return [
        {
            "seq": s.seq,
            "status": s.status,
            "etag": s.etag,
            "sent_hash": s.sent_hash,
            "sent_bytes": s.sent_bytes,
            "now": milliseconds(now),
        }
        for s in sent
    ]


def put_back_rows(back: Sequence[PutBack], now: datetime) -> Rows:
    """The parameters of PUT_BACK, but for the epoch."""
    return [
        {
            "seq": b.seq,
            "status": b.status,
            "reason": b.reason,
            "unknown": b.unknown,
            "next_at": milliseconds(b.next_at),
            "now": milliseconds(now),
        }
        for b in back
    ]


def ended_rows(ended: Sequence[Ended]) -> Rows:
    """The parameters of ENDED, but for the epoch. One that was never asked for has no status and was no attempt."""
    return [
        {
            "seq": e.seq,
            "state": e.state.value,
            "status": e.status,
            "reason": e.reason,
            "tried": 0 if e.status is None else 1,
        }
        for e in ended
    ]
