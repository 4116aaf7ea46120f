"""Defines the tables of accounts, sessions and API clients, and the audit."""

import sqlalchemy as sa

from fhir_pmp.store.engine.columns import RowId, UtcDateTime
from fhir_pmp.store.tables.metadata import metadata

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("login", sa.Text, nullable=False, unique=True),  # case-folded
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.String(32), nullable=False),
    sa.Column("registration", sa.Text),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
)

login_attempts = sa.Table(
    "login_attempts",
    metadata,
    sa.Column("seq", RowId, primary_key=True),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("succeeded", sa.Boolean, nullable=False),
    sa.Index(None, "login", "at"),
    sa.Index(None, "address", "at"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(64), sa.ForeignKey("accounts.id"), nullable=False, index=True),
    sa.Column("csrf_secret", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_seen_at", UtcDateTime, nullable=False),
)

clients = sa.Table(
    "clients",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),  # platform | ehr | practice | monitoring
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("organization_system", sa.Text),
    sa.Column("organization_value", sa.Text),
    sa.Column("source", sa.Text),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
    sa.Index(None, "organization_value", "organization_system"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", RowId, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("resources", sa.Text, nullable=False),  # "Type/id/_history/n", space between
    sa.Column("persons", sa.Text, nullable=False),  # person ids, space between
)
