"""Prepares the statements of claims.

Building them anew cost more than executing them.
"""

from typing import Any

import sqlalchemy as sa

from fhir_pmp.store.delivery.deliveries import SELECT_DELIVERY, DeliveryState
from fhir_pmp.store.engine.columns import UtcDateTime
from fhir_pmp.store.tables.delivery import OPEN_STATES, outbox, outbox_lanes
from fhir_pmp.store.tables.published import published

IS_OPEN = sa.text(OPEN_STATES)
"""Needed beside a state passed as a parameter, so that the database uses the partial index of open rows."""

_TO: sa.BindParameter[str] = sa.bindparam("to", type_=sa.String())
_LANE: sa.BindParameter[str] = sa.bindparam("of_lane", type_=sa.String())
_NOW = sa.bindparam("now", type_=UtcDateTime())
_THIS_LANE = (outbox_lanes.c.destination == _TO, outbox_lanes.c.lane == _LANE)
_OPEN_OF_LANE = (outbox.c.destination == _TO, outbox.c.lane == _LANE, IS_OPEN)
_FREE = sa.or_(outbox_lanes.c.lease_until.is_(None), outbox_lanes.c.lease_until <= _NOW)
DUE_LANES = (
    sa.select(outbox_lanes.c.lane, outbox_lanes.c.epoch)
    .where(outbox_lanes.c.destination == _TO, outbox_lanes.c.due_at <= _NOW, _FREE)
    .order_by(outbox_lanes.c.due_at, outbox_lanes.c.lane)
    .limit(sa.bindparam("most", type_=sa.Integer()))
    .with_for_update(skip_locked=True)
)
THIS_LANE_IF_DUE = DUE_LANES.where(outbox_lanes.c.lane == _LANE)
LANE_IS_BUSY = sa.select(sa.true()).where(
    *_THIS_LANE, sa.or_(outbox_lanes.c.due_at <= _NOW, outbox_lanes.c.lease_until > _NOW)
)
LEASE_LANE = sa.update(outbox_lanes).where(*_THIS_LANE)
LEASE_LANE = LEASE_LANE.values(
    lease_until=sa.bindparam("until", type_=UtcDateTime()), epoch=sa.bindparam("next")
)
EXTEND_LEASE = sa.update(outbox_lanes).where(*_THIS_LANE)
EXTEND_LEASE = EXTEND_LEASE.values(lease_until=sa.bindparam("until", type_=UtcDateTime()))
LOCK_LANE = sa.select(outbox_lanes.c.epoch).where(*_THIS_LANE).with_for_update()
# Pending, or left in flight by a killed worker; a leased lane is not claimed, whatever its deliveries.
# The due time of a lane must follow from the rows that its claim reads, or a delivery is never sent.
_CLAIMABLE = (*_OPEN_OF_LANE, outbox.c.state != DeliveryState.WAITING.value)
CLAIMABLE = SELECT_DELIVERY.where(*_CLAIMABLE).order_by(outbox.c.seq)
_FIRST_CLAIMABLE = (
    sa.select(outbox.c.next_attempt_at).where(*_CLAIMABLE).order_by(outbox.c.seq).limit(1).scalar_subquery()
)
SET_LANE_DUE = sa.update(outbox_lanes).where(*_THIS_LANE).values(due_at=_FIRST_CLAIMABLE)
RELEASE_LANE = SET_LANE_DUE.values(lease_until=None)


def _may_have_arrived() -> sa.Select[Any]:
    other_delivery, other_version = outbox.alias("other"), published.alias("kept")
    was_sent_since = (
        sa.exists()
        .where(other_version.c.id == published.c.id, other_version.c.type == published.c.type)
        .where(
            other_version.c.version >= published.c.version,
            other_delivery.c.published_seq == other_version.c.seq,
        )
        .where(other_delivery.c.destination == _TO, other_delivery.c.state == DeliveryState.SENT.value)
    )
    joined = sa.join(outbox, published, published.c.seq == outbox.c.published_seq)
    query = sa.select(published.c.type, published.c.id).select_from(joined)
    # Spelt as in the partial index, so that the database uses it.
    return query.where(
        outbox.c.destination == _TO,
        outbox.c.lane == _LANE,
        sa.text("outbox.may_have_arrived"),
        sa.not_(was_sent_since),
    )


MAY_HAVE_ARRIVED = _may_have_arrived()
"""Resources of a lane of which a superseded, dead or withheld version may have arrived."""
