"""What every claim asks and changes of its lane, put together once: each time anew, it cost more than the asking."""

from typing import Any

import sqlalchemy as sa

from fhir_pmp.store.among import among_given
from fhir_pmp.store.columns import Moment
from fhir_pmp.store.deliveries import DELIVERY, DeliveryState
from fhir_pmp.store.tables.delivery import OPEN_STATES, outbox, outbox_lanes
from fhir_pmp.store.tables.published import published

OPEN = sa.text(OPEN_STATES)
"""Said beside a state that is a parameter: only then does a database see that its index of open rows has them all."""

_TO: sa.BindParameter[str] = sa.bindparam("to", type_=sa.String())
_LANE: sa.BindParameter[str] = sa.bindparam("of_lane", type_=sa.String())
_NOW = sa.bindparam("now", type_=Moment())
_THIS_LANE = (outbox_lanes.c.destination == _TO, outbox_lanes.c.lane == _LANE)
_OPEN_OF_LANE = (outbox.c.destination == _TO, outbox.c.lane == _LANE, OPEN)
_FREE = sa.or_(outbox_lanes.c.lease_until.is_(None), outbox_lanes.c.lease_until <= _NOW)
DUE_LANES = (
    sa.select(outbox_lanes.c.lane, outbox_lanes.c.epoch)
    .where(outbox_lanes.c.destination == _TO, outbox_lanes.c.due_at <= _NOW, _FREE)
    .order_by(outbox_lanes.c.due_at, outbox_lanes.c.lane)
    .limit(sa.bindparam("most", type_=sa.Integer()))
    .with_for_update(skip_locked=True)
)
THIS_IF_DUE = DUE_LANES.where(outbox_lanes.c.lane == _LANE)
BUSY = sa.select(sa.true()).where(
    *_THIS_LANE, sa.or_(outbox_lanes.c.due_at <= _NOW, outbox_lanes.c.lease_until > _NOW)
)
LEASE_LANE = sa.update(outbox_lanes).where(*_THIS_LANE)
LEASE_LANE = LEASE_LANE.values(lease_until=sa.bindparam("until", type_=Moment()), epoch=sa.bindparam("next"))
LEASE_ALL = (
    sa.update(outbox)
    .where(among_given(outbox.c.seq, "seqs"))
    .values(
        state=DeliveryState.IN_FLIGHT.value,
        lease_epoch=sa.bindparam("epoch"),
        lease_until=sa.bindparam("until", type_=Moment()),
    )
)
EXTEND = sa.update(outbox_lanes).where(*_THIS_LANE)
EXTEND = EXTEND.values(lease_until=sa.bindparam("until", type_=Moment()))
LOCK = sa.select(outbox_lanes.c.epoch).where(*_THIS_LANE).with_for_update()
# Pending, or left in flight by a holder that was killed; a lane that is held is not given out, whatever stands here.
# What makes a lane due must be what its claim reads, or something is left behind.
_GOING = (*_OPEN_OF_LANE, outbox.c.state != DeliveryState.WAITING.value)
GOING = DELIVERY.where(*_GOING).order_by(outbox.c.seq)
_FIRST_GOING = sa.select(outbox.c.next_at).where(*_GOING).order_by(outbox.c.seq).limit(1).scalar_subquery()
SET_DUE = sa.update(outbox_lanes).where(*_THIS_LANE).values(due_at=_FIRST_GOING)
REST = SET_DUE.values(lease_until=None)
RELEASE = (
    sa.update(outbox)
    .where(
        *_OPEN_OF_LANE,
        outbox.c.state == DeliveryState.IN_FLIGHT.value,
        outbox.c.lease_epoch == sa.bindparam("epoch"),
    )
    .values(state=DeliveryState.PENDING.value, lease_until=None)
)


def _maybe_there() -> sa.Select[Any]:
    other, kept = outbox.alias("other"), published.alias("kept")
    sent_since = (
        sa.exists()
        .where(kept.c.id == published.c.id, kept.c.type == published.c.type)
        .where(kept.c.version >= published.c.version, other.c.published == kept.c.seq)
        .where(other.c.destination == _TO, other.c.state == DeliveryState.SENT.value)
    )
    joined = sa.join(outbox, published, published.c.seq == outbox.c.published)
    query = sa.select(published.c.type, published.c.id).select_from(joined)
    # `unknown` as its index says it.
    return query.where(
        outbox.c.destination == _TO, outbox.c.lane == _LANE, sa.text("outbox.unknown"), sa.not_(sent_since)
    )


MAYBE_THERE = _maybe_there()
"""What of a lane may stand there in a version whose answer never came: given way since, dead or withheld."""
