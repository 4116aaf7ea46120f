"""What we read at EHRs, and what we prove of them."""

import sqlalchemy as sa
from alembic import op

from fhir_pmp.store import columns

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the step."""
    op.create_table(
        "former_destination_ids",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("ours", sa.String(length=130), nullable=False),
        sa.Column("theirs", sa.String(length=256), nullable=False),
        sa.Column("until", columns.Moment(), nullable=False),
        sa.Column("how", sa.String(length=32), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", columns.Moment(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "destination", "ours", "theirs", "until", name=op.f("pk_former_destination_ids")
        ),
    )
    op.create_table(
        "probes",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("at", columns.Moment(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_probes")),
    )
    op.create_table(
        "pull_cursors",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("watermark", columns.Moment(), nullable=True),
        sa.Column("page_url", sa.Text(), nullable=True),
        sa.Column("window_from", columns.Moment(), nullable=True),
        sa.Column("newest_seen", columns.Moment(), nullable=True),
        sa.Column("server_date", columns.Moment(), nullable=True),
        sa.Column("completed_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("destination", "type", name=op.f("pk_pull_cursors")),
    )
    op.create_table(
        "pulled",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("last_updated", sa.Text(), nullable=True),
        sa.Column("at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "type", "id", "version_id", name=op.f("pk_pulled")),
    )
    with op.batch_alter_table("pulled", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pulled_at"), ["at"], unique=False)

    op.create_table(
        "reconciles",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("started_at", columns.Moment(), nullable=False),
        sa.Column("completed_at", columns.Moment(), nullable=True),
        sa.Column("found", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_reconciles")),
    )
    with op.batch_alter_table("destination_ids", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_destination_ids_destination_theirs"), ["destination", "theirs"], unique=False
        )

    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbox_maybe_there",
            ["destination", "lane"],
            unique=False,
            sqlite_where=sa.text("unknown"),
            postgresql_where=sa.text("unknown"),
        )

    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_inbox_received",
            ["door", "sender", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'received'"),
            postgresql_where=sa.text("state = 'received'"),
        )
