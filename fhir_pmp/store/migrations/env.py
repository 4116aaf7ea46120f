"""Runs the migrations for alembic, in the given transaction."""

from alembic import context

from fhir_pmp.crash_points import reach
from fhir_pmp.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    render_as_batch=True,  # SQLite alters a table by copying it
    user_module_prefix="columns.",
    on_version_apply=lambda **_: reach("revision applied"),
)
with context.begin_transaction():
    context.run_migrations()
