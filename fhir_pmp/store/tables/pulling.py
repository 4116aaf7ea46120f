"""Defines the tables of pull cursors, of ingested versions, and of reconciliations."""

import sqlalchemy as sa

from fhir_pmp.store.engine.columns import UtcDateTime
from fhir_pmp.store.tables.metadata import metadata

pull_cursors = sa.Table(
    "pull_cursors",
    metadata,
    sa.Column("destination", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(64), primary_key=True),
    sa.Column("watermark", UtcDateTime),  # the server's clock; absent: never read to the end
    # The unfinished run; a killed run continues at its next page:
    sa.Column("page_url", sa.Text),
    sa.Column("window_from", UtcDateTime),
    sa.Column("newest_seen", UtcDateTime),
    sa.Column("server_date", UtcDateTime),
    sa.Column("completed_at", UtcDateTime),  # our clock: when a run last reached its last page
)

seen_versions = sa.Table(
    "seen_versions",
    metadata,
    sa.Column("destination", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(64), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version_id", sa.String(64), primary_key=True),
    sa.Column("last_updated", sa.Text),  # as the server wrote it
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "at"),
)

reconciliations = sa.Table(
    "reconciliations",
    metadata,
    sa.Column("destination", sa.String(64), primary_key=True),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("completed_at", UtcDateTime),  # absent: not finished, or interrupted
    sa.Column(
        "counts", sa.Text, nullable=False
    ),  # JSON: how many were equal, missing, older, edited, unknown to us
)
