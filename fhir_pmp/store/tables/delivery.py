"""Defines tables of the outbox, its lanes, remote ids, remote versions, breakers and leases."""

import sqlalchemy as sa

from fhir_pmp.store.engine.columns import RowId, UtcDateTime
from fhir_pmp.store.tables.metadata import metadata

OPEN_STATES = "state IN ('pending', 'in_flight', 'waiting')"
SENT = "state = 'sent'"
DEAD = "state = 'dead'"
MAY_HAVE_ARRIVED = "may_have_arrived"

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("seq", RowId, primary_key=True, autoincrement=True),
    sa.Column("destination", sa.String(64), nullable=False),
    sa.Column("lane", sa.String(64), nullable=False),
    sa.Column("published_seq", sa.BigInteger, nullable=False),  # published.seq: the version to be sent
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", UtcDateTime, nullable=False),
    sa.Column(
        "first_attempt_at", UtcDateTime
    ),  # the first attempt; the age limit counts from here, waiting does not age
    sa.Column("lease_until", UtcDateTime),
    sa.Column("lease_epoch", sa.Integer, nullable=False),
    sa.Column("may_have_arrived", sa.Boolean, nullable=False),  # the last attempt may have arrived
    sa.Column("last_status", sa.Integer),
    sa.Column("reason", sa.Text),
    sa.Column("sent_hash", sa.String(64)),
    sa.Column("sent_bytes", sa.LargeBinary),
    sa.Column("etag", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("sent_at", UtcDateTime),
    sa.UniqueConstraint("published_seq", "destination"),
    sa.Index(
        "ix_outbox_open",
        "destination",
        "lane",
        "seq",
        sqlite_where=sa.text(OPEN_STATES),
        postgresql_where=sa.text(OPEN_STATES),
    ),
    # Small: only deliveries whose last attempt may have arrived, in any state.
    sa.Index(
        "ix_outbox_may_have_arrived",
        "destination",
        "lane",
        sqlite_where=sa.text(MAY_HAVE_ARRIVED),
        postgresql_where=sa.text(MAY_HAVE_ARRIVED),
    ),
    # A row enters these indexes only when it is no longer pending.
    sa.Index(
        "ix_outbox_sent",
        "destination",
        "sent_at",
        sqlite_where=sa.text(SENT),
        postgresql_where=sa.text(SENT),
    ),
    sa.Index(
        "ix_outbox_dead", "destination", "seq", sqlite_where=sa.text(DEAD), postgresql_where=sa.text(DEAD)
    ),
)

outbox_lanes = sa.Table(
    "outbox_lanes",
    metadata,
    sa.Column("lane", sa.String(64), primary_key=True),
    sa.Column("destination", sa.String(64), primary_key=True),
    sa.Column("due_at", UtcDateTime),  # absent: nothing to send
    sa.Column("lease_until", UtcDateTime),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Index(None, "destination", "due_at"),
)

remote_ids = sa.Table(
    "remote_ids",
    metadata,
    sa.Column("destination", sa.String(64), primary_key=True),
    sa.Column("local_reference", sa.String(130), primary_key=True),  # "Patient/…"
    sa.Column("remote_reference", sa.String(256), nullable=False),
    sa.Column("how", sa.String(32), nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "destination", "remote_reference"),
)

former_remote_ids = sa.Table(
    "former_remote_ids",
    metadata,
    sa.Column("destination", sa.String(64), primary_key=True),
    sa.Column("local_reference", sa.String(130), primary_key=True),
    sa.Column("remote_reference", sa.String(256), primary_key=True),
    sa.Column("retired_at", UtcDateTime, primary_key=True),
    sa.Column("how", sa.String(32), nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("retired_reason", sa.Text, nullable=False),
)

verifications = sa.Table(
    "verifications",
    metadata,
    sa.Column("destination", sa.String(64), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("result", sa.Text, nullable=False),  # JSON: the verified capabilities, and the write strategy
)

# The version found at the destination, where it is not the newest acknowledged one.
remote_versions = sa.Table(
    "remote_versions",
    metadata,
    sa.Column("destination", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(64), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),  # our version number
    sa.Column("etag", sa.Text),  # the destination's version tag
    sa.Column("sent_hash", sa.String(64), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

breakers = sa.Table(
    "breakers",
    metadata,
    sa.Column("destination", sa.String(64), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),  # closed | open | half_open | paused | recovering
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("opened_at", UtcDateTime),
    sa.Column("probe_at", UtcDateTime),
    sa.Column("reason", sa.Text),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
)
