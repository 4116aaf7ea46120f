"""Defines the tables of letters, of letters due, and of work items."""

import sqlalchemy as sa

from fhir_pmp.store.engine.columns import Day, RowId, UtcDateTime
from fhir_pmp.store.tables.metadata import metadata

letters = sa.Table(
    "letters",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("episode", sa.String(64), sa.ForeignKey("episodes.id"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("fields", sa.Text, nullable=False),  # JSON: the four editable fields
    sa.Column("pinned", sa.Text, nullable=False),  # JSON: the facts it was written from
    sa.Column("replaces", sa.String(64), sa.ForeignKey("letters.id")),
    sa.Column("drafted_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("preview_hash", sa.String(64)),
    sa.Column("preview_pdf", sa.LargeBinary),
    sa.Column("preview_by", sa.String(64)),
    sa.Column("preview_on", Day),
    sa.Column("preview_pinned", sa.Text),
    sa.Column("pdf", sa.LargeBinary),
    sa.Column("pdf_hash", sa.String(64)),
    sa.Column("document_reference_id", sa.String(64)),
    sa.Column("bundle_id", sa.String(64)),
    sa.Column("signed_by", sa.String(64)),
    sa.Column("signed_at", UtcDateTime),
    sa.Column(
        "reviewed_up_to", sa.BigInteger
    ),  # published.last_updated: later versions are still to be reviewed
    sa.UniqueConstraint("episode", "kind", "number"),
)

IS_UNDONE = "done_at IS NULL"
letters_due = sa.Table(
    "letters_due",
    metadata,
    sa.Column("seq", RowId, primary_key=True),
    sa.Column("episode", sa.String(64), sa.ForeignKey("episodes.id"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("done_at", UtcDateTime),
    sa.Index(
        "uq_letters_due_open",
        "episode",
        "kind",
        unique=True,
        sqlite_where=sa.text(IS_UNDONE),
        postgresql_where=sa.text(IS_UNDONE),
    ),
)

IS_OPEN = "closed_at IS NULL"
work_items = sa.Table(
    "work_items",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("role", sa.String(32), nullable=False),
    sa.Column(
        "about", sa.Text, nullable=False
    ),  # "person/…", "episode/…", "referral/…", "delivery/…", "Type/id"
    sa.Column("person", sa.String(64)),
    sa.Column("episode", sa.String(64)),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("details", sa.Text, nullable=False),  # JSON without a patient's words
    sa.Column("closed_at", UtcDateTime),
    sa.Column("closed_by", sa.Text),
    sa.Column("resolution", sa.Text),
    sa.Index(
        "uq_work_items_open",
        "kind",
        "about",
        unique=True,
        sqlite_where=sa.text(IS_OPEN),
        postgresql_where=sa.text(IS_OPEN),
    ),
    sa.Index(None, "person"),
)
