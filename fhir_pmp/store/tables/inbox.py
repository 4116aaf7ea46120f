"""Defines tables of the inbox, of first replies, and the proof of the id secret."""

import sqlalchemy as sa

from fhir_pmp.store.engine.columns import RowId, UtcDateTime
from fhir_pmp.store.tables.metadata import metadata

IS_RECEIVED = "state = 'received'"

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # received | done | refused
    sa.Column("key", sa.Text),  # the sender's own key, once parsed
    sa.Column("reply_status", sa.Integer),
    sa.Column("reply_body", sa.LargeBinary),
    sa.UniqueConstraint("channel", "sender", "sha256"),
    sa.Index(None, "channel", "sender", "key"),
    # Few arrivals are unprocessed, however many were received over the years.
    sa.Index(
        "ix_inbox_received",
        "channel",
        "sender",
        "id",
        sqlite_where=sa.text(IS_RECEIVED),
        postgresql_where=sa.text(IS_RECEIVED),
    ),
)

programme_replies = sa.Table(
    "programme_replies",
    metadata,
    sa.Column("client", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

id_proof = sa.Table(
    "id_proof",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("key", sa.Text, nullable=False),  # JSON list: the business key the id was computed from
)
