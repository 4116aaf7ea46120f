"""Defines the tables of responses, their scores, and the safety flags they raised."""

import sqlalchemy as sa

from fhir_pmp.store.engine.columns import Day, UtcDateTime
from fhir_pmp.store.tables.metadata import metadata

responses = sa.Table(
    "responses",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("person", sa.String(64), sa.ForeignKey("people.id"), nullable=False),
    sa.Column("episode", sa.String(64), sa.ForeignKey("episodes.id"), nullable=False, index=True),
    sa.Column("instrument", sa.String(64), nullable=False),
    sa.Column("instrument_version", sa.String(64), nullable=False),
    sa.Column("timepoint", sa.String(64), nullable=False),
    sa.Column("authored", sa.String(40), nullable=False),  # as written, with its offset or without a time
    sa.Column("authored_on", Day, nullable=False),  # the day as written
    sa.Column("authored_at", UtcDateTime),  # UTC; absent where only a day is known
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("answers", sa.Text, nullable=False),  # JSON: linkId -> value
    sa.Column("identifier_system", sa.Text, nullable=False),
    sa.Column("identifier_value", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("withdrawn_by", sa.Text),
    sa.Column("withdrawn_reason", sa.Text),
)

scores = sa.Table(
    "scores",
    metadata,
    sa.Column("response", sa.String(64), sa.ForeignKey("responses.id"), primary_key=True),
    sa.Column("scale", sa.String(64), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("value", sa.Text),  # the exact fraction, "27" or "33/7"; absent: not scorable
    sa.Column("published", sa.Text),
    sa.Column("band", sa.Text),
    sa.Column("answered", sa.Integer, nullable=False),
    sa.Column("blanks", sa.Integer, nullable=False),
    sa.Column("prorated", sa.Boolean, nullable=False),
    sa.Column("unconfirmed", sa.Text, nullable=False),  # rule ids, space between
    sqlite_with_rowid=False,
)

flags = sa.Table(
    "flags",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("response", sa.String(64), sa.ForeignKey("responses.id"), nullable=False),
    sa.Column("instrument", sa.String(64), nullable=False),
    sa.Column("timepoint", sa.String(64), nullable=False),
    sa.Column("item", sa.String(64), nullable=False),
    sa.Column("answer", sa.Integer, nullable=False),
    sa.Column("person", sa.String(64), sa.ForeignKey("people.id"), nullable=False),
    sa.Column("episode", sa.String(64), sa.ForeignKey("episodes.id"), nullable=False, index=True),
    sa.Column("raised_at", UtcDateTime, nullable=False),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("acknowledged_at", UtcDateTime),
    sa.Column("action", sa.Text),
    sa.UniqueConstraint("response", "item"),
)
sa.Index(
    "ix_flags_open",
    flags.c.raised_at,
    sqlite_where=sa.text("acknowledged_at IS NULL"),
    postgresql_where=sa.text("acknowledged_at IS NULL"),
)
