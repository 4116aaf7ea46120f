"""Creates every table, the publish clock, and the triggers that protect immutable rows."""

import sqlalchemy as sa
from alembic import op

from fhir_pmp.store.engine import columns

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the whole schema."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("registration", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("added_at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("login", name=op.f("uq_accounts_login")),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("resources", sa.Text(), nullable=False),
        sa.Column("persons", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_table(
        "breakers",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", columns.UtcDateTime(), nullable=True),
        sa.Column("probe_at", columns.UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_breakers")),
    )
    op.create_table(
        "clients",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("organization_system", sa.Text(), nullable=True),
        sa.Column("organization_value", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("added_at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
        sa.UniqueConstraint("name", name=op.f("uq_clients_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_clients_token_hash")),
    )
    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_clients_organization_value_organization_system"),
            ["organization_value", "organization_system"],
            unique=False,
        )

    op.create_table(
        "former_remote_ids",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("local_reference", sa.String(length=130), nullable=False),
        sa.Column("remote_reference", sa.String(length=256), nullable=False),
        sa.Column("retired_at", columns.UtcDateTime(), nullable=False),
        sa.Column("how", sa.String(length=32), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.Column("retired_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "destination",
            "local_reference",
            "remote_reference",
            "retired_at",
            name=op.f("pk_former_remote_ids"),
        ),
    )
    op.create_table(
        "id_proof",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_proof")),
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", columns.UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("reply_status", sa.Integer(), nullable=True),
        sa.Column("reply_body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("channel", "sender", "sha256", name=op.f("uq_inbox_channel_sender_sha256")),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_inbox_channel_sender_key"), ["channel", "sender", "key"], unique=False
        )
        batch_op.create_index(
            "ix_inbox_received",
            ["channel", "sender", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'received'"),
            postgresql_where=sa.text("state = 'received'"),
        )

    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", columns.UtcDateTime(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "login_attempts",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_login_attempts")),
    )
    with op.batch_alter_table("login_attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_attempts_address_at"), ["address", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_login_attempts_login_at"), ["login", "at"], unique=False)

    op.create_table(
        "outbox",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=64), nullable=False),
        sa.Column("published_seq", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", columns.UtcDateTime(), nullable=False),
        sa.Column("first_attempt_at", columns.UtcDateTime(), nullable=True),
        sa.Column("lease_until", columns.UtcDateTime(), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), nullable=False),
        sa.Column("may_have_arrived", sa.Boolean(), nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("sent_hash", sa.String(length=64), nullable=True),
        sa.Column("sent_bytes", sa.LargeBinary(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("created_at", columns.UtcDateTime(), nullable=False),
        sa.Column("sent_at", columns.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("published_seq", "destination", name=op.f("uq_outbox_published_seq_destination")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbox_dead",
            ["destination", "seq"],
            unique=False,
            sqlite_where=sa.text("state = 'dead'"),
            postgresql_where=sa.text("state = 'dead'"),
        )
        batch_op.create_index(
            "ix_outbox_may_have_arrived",
            ["destination", "lane"],
            unique=False,
            sqlite_where=sa.text("may_have_arrived"),
            postgresql_where=sa.text("may_have_arrived"),
        )
        batch_op.create_index(
            "ix_outbox_open",
            ["destination", "lane", "seq"],
            unique=False,
            sqlite_where=sa.text("state IN ('pending', 'in_flight', 'waiting')"),
            postgresql_where=sa.text("state IN ('pending', 'in_flight', 'waiting')"),
        )
        batch_op.create_index(
            "ix_outbox_sent",
            ["destination", "sent_at"],
            unique=False,
            sqlite_where=sa.text("state = 'sent'"),
            postgresql_where=sa.text("state = 'sent'"),
        )

    op.create_table(
        "outbox_lanes",
        sa.Column("lane", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("due_at", columns.UtcDateTime(), nullable=True),
        sa.Column("lease_until", columns.UtcDateTime(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "destination", name=op.f("pk_outbox_lanes")),
    )
    with op.batch_alter_table("outbox_lanes", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbox_lanes_destination_due_at"), ["destination", "due_at"], unique=False
        )

    op.create_table(
        "people",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("given", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("birth_date", columns.Day(length=10), nullable=False),
        sa.Column("sex", sa.String(length=16), nullable=False),
        sa.Column("registered_by", sa.Text(), nullable=False),
        sa.Column("registered_at", columns.UtcDateTime(), nullable=False),
        sa.Column("same_as", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["same_as"], ["people.id"], name=op.f("fk_people_same_as")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
    )
    op.create_table(
        "programme_replies",
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("client", "key", name=op.f("pk_programme_replies")),
    )
    op.create_table(
        "publish_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_publish_clock_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publish_clock")),
    )
    op.create_table(
        "published",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("superseded_at", sa.BigInteger(), nullable=True),
        sa.Column("sharing", sa.String(length=16), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("episode", sa.String(length=64), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("date_from", sa.BigInteger(), nullable=True),
        sa.Column("date_to", sa.BigInteger(), nullable=True),
        sa.Column("tokens", sa.Text(), nullable=False),
        sa.Column("refs", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_published")),
        sa.UniqueConstraint("id", "type", "version", name=op.f("uq_published_id_type_version")),
    )
    with op.batch_alter_table("published", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_published_person_type_last_updated"),
            ["person", "type", "last_updated"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_published_type_last_updated_id"), ["type", "last_updated", "id"], unique=False
        )

    op.create_table(
        "pull_cursors",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("watermark", columns.UtcDateTime(), nullable=True),
        sa.Column("page_url", sa.Text(), nullable=True),
        sa.Column("window_from", columns.UtcDateTime(), nullable=True),
        sa.Column("newest_seen", columns.UtcDateTime(), nullable=True),
        sa.Column("server_date", columns.UtcDateTime(), nullable=True),
        sa.Column("completed_at", columns.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("destination", "type", name=op.f("pk_pull_cursors")),
    )
    op.create_table(
        "reconciliations",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("started_at", columns.UtcDateTime(), nullable=False),
        sa.Column("completed_at", columns.UtcDateTime(), nullable=True),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_reconciliations")),
    )
    op.create_table(
        "remote_ids",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("local_reference", sa.String(length=130), nullable=False),
        sa.Column("remote_reference", sa.String(length=256), nullable=False),
        sa.Column("how", sa.String(length=32), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "local_reference", name=op.f("pk_remote_ids")),
    )
    with op.batch_alter_table("remote_ids", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_remote_ids_destination_remote_reference"),
            ["destination", "remote_reference"],
            unique=False,
        )

    op.create_table(
        "remote_versions",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("sent_hash", sa.String(length=64), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "type", "id", name=op.f("pk_remote_versions")),
    )
    op.create_table(
        "seen_versions",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("last_updated", sa.Text(), nullable=True),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "type", "id", "version_id", name=op.f("pk_seen_versions")),
    )
    with op.batch_alter_table("seen_versions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_seen_versions_at"), ["at"], unique=False)

    op.create_table(
        "selective_tokens",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", "seq", name=op.f("pk_selective_tokens")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "verifications",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_verifications")),
    )
    op.create_table(
        "work_items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("episode", sa.String(length=64), nullable=True),
        sa.Column("since", columns.UtcDateTime(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("closed_at", columns.UtcDateTime(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_items")),
    )
    with op.batch_alter_table("work_items", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_work_items_person"), ["person"], unique=False)
        batch_op.create_index(
            "uq_work_items_open",
            ["kind", "about"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "episodes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("referral", sa.String(length=64), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("enrolment", sa.Text(), nullable=True),
        sa.Column("share_with_ehr", sa.Boolean(), nullable=False),
        sa.Column("doubtful", sa.Boolean(), nullable=False),
        sa.Column("referred_on", columns.Day(length=10), nullable=True),
        sa.Column("enrolled_on", columns.Day(length=10), nullable=True),
        sa.Column("started_on", columns.Day(length=10), nullable=True),
        sa.Column("ended_on", columns.Day(length=10), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("organization_id", sa.String(length=64), nullable=True),
        sa.Column("organization_system", sa.Text(), nullable=True),
        sa.Column("organization_value", sa.Text(), nullable=True),
        sa.Column("organization_name", sa.Text(), nullable=True),
        sa.Column("practitioner_id", sa.String(length=64), nullable=True),
        sa.Column("practitioner_system", sa.Text(), nullable=True),
        sa.Column("practitioner_value", sa.Text(), nullable=True),
        sa.Column("practitioner_name", sa.Text(), nullable=True),
        sa.Column("added_at", columns.UtcDateTime(), nullable=False),
        sa.Column("changed_at", columns.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_episodes_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_episodes")),
        sa.UniqueConstraint("source", "enrolment", name=op.f("uq_episodes_source_enrolment")),
    )
    with op.batch_alter_table("episodes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_episodes_person"), ["person"], unique=False)
        batch_op.create_index(batch_op.f("ix_episodes_state"), ["state"], unique=False)

    op.create_table(
        "person_identifiers",
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_person_identifiers_person")),
        sa.PrimaryKeyConstraint("person", "position", name=op.f("pk_person_identifiers")),
    )
    with op.batch_alter_table("person_identifiers", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_person_identifiers_value_system"), ["value", "system"], unique=False
        )

    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("csrf_secret", sa.Text(), nullable=False),
        sa.Column("created_at", columns.UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", columns.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name=op.f("fk_sessions_account")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_account"), ["account"], unique=False)

    op.create_table(
        "episode_moves",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("before", sa.String(length=64), nullable=True),
        sa.Column("after", sa.String(length=64), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["episode"], ["episodes.id"], name=op.f("fk_episode_moves_episode")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_episode_moves")),
    )
    with op.batch_alter_table("episode_moves", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_episode_moves_episode"), ["episode"], unique=False)

    op.create_table(
        "lessons",
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("completed_on", columns.Day(length=10), nullable=False),
        sa.ForeignKeyConstraint(["episode"], ["episodes.id"], name=op.f("fk_lessons_episode")),
        sa.PrimaryKeyConstraint("episode", "number", name=op.f("pk_lessons")),
    )
    op.create_table(
        "letters",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Text(), nullable=False),
        sa.Column("replaces", sa.String(length=64), nullable=True),
        sa.Column("drafted_at", columns.UtcDateTime(), nullable=False),
        sa.Column("changed_at", columns.UtcDateTime(), nullable=False),
        sa.Column("preview_hash", sa.String(length=64), nullable=True),
        sa.Column("preview_pdf", sa.LargeBinary(), nullable=True),
        sa.Column("preview_by", sa.String(length=64), nullable=True),
        sa.Column("preview_on", columns.Day(length=10), nullable=True),
        sa.Column("preview_pinned", sa.Text(), nullable=True),
        sa.Column("pdf", sa.LargeBinary(), nullable=True),
        sa.Column("pdf_hash", sa.String(length=64), nullable=True),
        sa.Column("document_reference_id", sa.String(length=64), nullable=True),
        sa.Column("bundle_id", sa.String(length=64), nullable=True),
        sa.Column("signed_by", sa.String(length=64), nullable=True),
        sa.Column("signed_at", columns.UtcDateTime(), nullable=True),
        sa.Column("reviewed_up_to", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["episode"], ["episodes.id"], name=op.f("fk_letters_episode")),
        sa.ForeignKeyConstraint(["replaces"], ["letters.id"], name=op.f("fk_letters_replaces")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
        sa.UniqueConstraint("episode", "kind", "number", name=op.f("uq_letters_episode_kind_number")),
    )
    with op.batch_alter_table("letters", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_letters_state"), ["state"], unique=False)

    op.create_table(
        "letters_due",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("due_at", columns.UtcDateTime(), nullable=False),
        sa.Column("done_at", columns.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["episode"], ["episodes.id"], name=op.f("fk_letters_due_episode")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_letters_due")),
    )
    with op.batch_alter_table("letters_due", schema=None) as batch_op:
        batch_op.create_index(
            "uq_letters_due_open",
            ["episode", "kind"],
            unique=True,
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        )

    op.create_table(
        "referrals",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("service_request_id", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("service_request_system", sa.Text(), nullable=False),
        sa.Column("service_request_value", sa.Text(), nullable=False),
        sa.Column("task_system", sa.Text(), nullable=False),
        sa.Column("task_value", sa.Text(), nullable=False),
        sa.Column("authored_on", columns.Day(length=10), nullable=True),
        sa.Column("received_at", columns.UtcDateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("inbox", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["episode"], ["episodes.id"], name=op.f("fk_referrals_episode")),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_referrals_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referrals")),
        sa.UniqueConstraint(
            "client",
            "service_request_system",
            "service_request_value",
            name=op.f("uq_referrals_client_service_request_system_service_request_value"),
        ),
        sa.UniqueConstraint("number", name=op.f("uq_referrals_number")),
        sa.UniqueConstraint("service_request_id", name=op.f("uq_referrals_service_request_id")),
        sa.UniqueConstraint("task_id", name=op.f("uq_referrals_task_id")),
    )
    with op.batch_alter_table("referrals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_referrals_episode"), ["episode"], unique=False)
        batch_op.create_index(batch_op.f("ix_referrals_person"), ["person"], unique=False)

    op.create_table(
        "responses",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("instrument_version", sa.String(length=64), nullable=False),
        sa.Column("timepoint", sa.String(length=64), nullable=False),
        sa.Column("authored", sa.String(length=40), nullable=False),
        sa.Column("authored_on", columns.Day(length=10), nullable=False),
        sa.Column("authored_at", columns.UtcDateTime(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("identifier_system", sa.Text(), nullable=False),
        sa.Column("identifier_value", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", columns.UtcDateTime(), nullable=False),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.Column("withdrawn_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["episode"], ["episodes.id"], name=op.f("fk_responses_episode")),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_responses_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responses")),
    )
    with op.batch_alter_table("responses", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_responses_episode"), ["episode"], unique=False)

    op.create_table(
        "flags",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("response", sa.String(length=64), nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("timepoint", sa.String(length=64), nullable=False),
        sa.Column("item", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("raised_at", columns.UtcDateTime(), nullable=False),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_at", columns.UtcDateTime(), nullable=True),
        sa.Column("action", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["episode"], ["episodes.id"], name=op.f("fk_flags_episode")),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_flags_person")),
        sa.ForeignKeyConstraint(["response"], ["responses.id"], name=op.f("fk_flags_response")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flags")),
        sa.UniqueConstraint("response", "item", name=op.f("uq_flags_response_item")),
    )
    with op.batch_alter_table("flags", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_flags_episode"), ["episode"], unique=False)
        batch_op.create_index(
            "ix_flags_open",
            ["raised_at"],
            unique=False,
            sqlite_where=sa.text("acknowledged_at IS NULL"),
            postgresql_where=sa.text("acknowledged_at IS NULL"),
        )

    op.create_table(
        "referral_entries",
        sa.Column("referral", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("full_url", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["referral"], ["referrals.id"], name=op.f("fk_referral_entries_referral")),
        sa.PrimaryKeyConstraint("referral", "position", name=op.f("pk_referral_entries")),
    )
    op.create_table(
        "scores",
        sa.Column("response", sa.String(length=64), nullable=False),
        sa.Column("scale", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("published", sa.Text(), nullable=True),
        sa.Column("band", sa.Text(), nullable=True),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("blanks", sa.Integer(), nullable=False),
        sa.Column("prorated", sa.Boolean(), nullable=False),
        sa.Column("unconfirmed", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["response"], ["responses.id"], name=op.f("fk_scores_response")),
        sa.PrimaryKeyConstraint("response", "scale", name=op.f("pk_scores")),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO publish_clock (id, last_updated, last_seq) VALUES (1, 0, 0)")
    for guard in _GUARDS:
        _forbid(*guard)


_PUBLISHED = "seq, id, type, version, last_updated, sharing, person, episode, owner, tokens, refs, content_hash, content"
_SIGNED = "id, episode, kind, number, fields, pinned, replaces, pdf, pdf_hash, document_reference_id, bundle_id, signed_by, signed_at"
_GUARDS = (
    ("audit", "UPDATE", None, "audit rows are never changed"),
    ("audit", "DELETE", None, "audit rows are never removed"),
    ("published", f"UPDATE OF {_PUBLISHED}", None, "published versions are never changed"),
    ("published", "DELETE", None, "published versions are never removed"),
    ("inbox", "UPDATE OF channel, sender, sha256, body, received_at", None, "what arrived is never changed"),
    ("inbox", "DELETE", None, "what arrived is never removed"),
    ("letters", f"UPDATE OF {_SIGNED}", "OLD.signed_at IS NOT NULL", "signed letters are never changed"),
    ("letters", "DELETE", "OLD.signed_at IS NOT NULL", "signed letters are never removed"),
)
"""The changes that triggers refuse: table, statement, condition and message."""


def _forbid(table: str, statement: str, when: str | None, message: str) -> None:
    name = f"guard_{table}_{statement.split()[0].lower()}"
    condition = f"WHEN ({when}) " if when else ""
    head = f"CREATE TRIGGER {name} BEFORE {statement} ON {table}"
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"{head} {condition}BEGIN SELECT RAISE(ABORT, '{message}'); END")
        return
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(f"{head} FOR EACH ROW {condition}EXECUTE FUNCTION {name}()")
    if when is None and statement == "DELETE":
        op.execute(
            f"CREATE TRIGGER guard_{table}_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {name}()"
        )
