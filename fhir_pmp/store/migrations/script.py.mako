"""${message}."""

import sqlalchemy as sa
from alembic import op

from fhir_pmp.store.engine import columns

${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the migration."""
    ${upgrades if upgrades else "pass"}
