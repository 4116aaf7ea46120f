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
    """Makes the step."""
    ${upgrades if upgrades else "pass"}
