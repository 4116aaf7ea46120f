"""Defines the tables of published versions with their search keys, and the publish clock."""

import sqlalchemy as sa

from fhir_pmp.store.engine.columns import RowId
from fhir_pmp.store.tables.metadata import metadata

published = sa.Table(
    "published",
    metadata,
    sa.Column("seq", RowId, primary_key=True, autoincrement=False),  # given under the publishing lock
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("last_updated", sa.BigInteger, nullable=False),  # milliseconds since 1970 UTC
    sa.Column(
        "superseded_at", sa.BigInteger
    ),  # last_updated of the next version; absent: this is the current one
    sa.Column("sharing", sa.String(16), nullable=False),
    sa.Column("person", sa.String(64)),
    sa.Column("episode", sa.String(64)),
    sa.Column("owner", sa.Text),
    sa.Column("date_from", sa.BigInteger),  # the clinical date as a span: first millisecond
    sa.Column("date_to", sa.BigInteger),  # first millisecond after it
    sa.Column(
        "tokens", sa.Text, nullable=False
    ),  # every search token, as store/versions/search_tokens.py writes them
    sa.Column("refs", sa.Text, nullable=False),  # "Type/id", space between
    sa.Column("content_hash", sa.String(64), nullable=False),  # sha256 hex of the bytes without meta
    sa.Column("content", sa.LargeBinary, nullable=False),  # the resource as served, meta included
    sa.UniqueConstraint("id", "type", "version"),
    sa.Index(None, "type", "last_updated", "id"),
    sa.Index(None, "person", "type", "last_updated"),
)

selective_tokens = sa.Table(
    "selective_tokens",
    metadata,
    # Only the tokens that few resources share (identifier, url): a search starts from these. The key is a hash
    # of name and value, a tenth of their length; the row's own tokens confirm the match.
    sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

publish_clock = sa.Table(
    "publish_clock",
    metadata,
    sa.Column(
        "id", sa.Integer, sa.CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False
    ),
    sa.Column("last_updated", sa.BigInteger, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
)
