"""Defines the tables of people, of episodes with their moves and lessons, and of referrals."""

import sqlalchemy as sa

from fhir_pmp.store.engine.columns import Day, RowId, UtcDateTime
from fhir_pmp.store.tables.metadata import metadata

people = sa.Table(
    "people",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("given", sa.Text, nullable=False),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("birth_date", Day, nullable=False),
    sa.Column("sex", sa.String(16), nullable=False),
    sa.Column("registered_by", sa.Text, nullable=False),
    sa.Column("registered_at", UtcDateTime, nullable=False),
    sa.Column(
        "same_as", sa.String(64), sa.ForeignKey("people.id")
    ),  # decided by a person, never automatically
)

person_identifiers = sa.Table(
    "person_identifiers",
    metadata,
    sa.Column("person", sa.String(64), sa.ForeignKey("people.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("system", sa.Text, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    # Not unique: a doubtful referral is a person record of its own until a clinician decides.
    sa.Index(None, "value", "system"),
)

episodes = sa.Table(
    "episodes",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("person", sa.String(64), sa.ForeignKey("people.id"), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("referral", sa.String(64)),
    sa.Column("source", sa.Text),
    sa.Column("enrolment", sa.Text),
    sa.Column("share_with_ehr", sa.Boolean, nullable=False),
    sa.Column("doubtful", sa.Boolean, nullable=False),
    sa.Column("referred_on", Day),
    sa.Column("enrolled_on", Day),
    sa.Column("started_on", Day),
    sa.Column("ended_on", Day),
    sa.Column("end_reason", sa.Text),
    sa.Column("organization_id", sa.String(64)),
    sa.Column("organization_system", sa.Text),
    sa.Column("organization_value", sa.Text),
    sa.Column("organization_name", sa.Text),
    sa.Column("practitioner_id", sa.String(64)),
    sa.Column("practitioner_system", sa.Text),
    sa.Column("practitioner_value", sa.Text),
    sa.Column("practitioner_name", sa.Text),
    sa.Column("added_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("source", "enrolment"),
)

episode_moves = sa.Table(
    "episode_moves",
    metadata,
    sa.Column("seq", RowId, primary_key=True),
    sa.Column("episode", sa.String(64), sa.ForeignKey("episodes.id"), nullable=False, index=True),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("before", sa.String(64)),
    sa.Column("after", sa.String(64), nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("reason", sa.Text),
)

lessons = sa.Table(
    "lessons",
    metadata,
    sa.Column("episode", sa.String(64), sa.ForeignKey("episodes.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("completed_on", Day, nullable=False),
)

referrals = sa.Table(
    "referrals",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("number", sa.Text, nullable=False, unique=True),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("episode", sa.String(64), sa.ForeignKey("episodes.id"), nullable=False, index=True),
    sa.Column("person", sa.String(64), sa.ForeignKey("people.id"), nullable=False, index=True),
    sa.Column("service_request_id", sa.String(64), nullable=False, unique=True),
    sa.Column("task_id", sa.String(64), nullable=False, unique=True),
    sa.Column("service_request_system", sa.Text, nullable=False),
    sa.Column("service_request_value", sa.Text, nullable=False),
    sa.Column("task_system", sa.Text, nullable=False),
    sa.Column("task_value", sa.Text, nullable=False),
    sa.Column("authored_on", Day),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("fingerprint", sa.String(64), nullable=False),  # sha256 hex of the clinical content
    sa.Column("inbox", RowId),
    sa.UniqueConstraint("client", "service_request_system", "service_request_value"),
)

referral_entries = sa.Table(
    "referral_entries",
    metadata,
    sa.Column("referral", sa.String(64), sa.ForeignKey("referrals.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("full_url", sa.Text),
)
