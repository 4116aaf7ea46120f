"""Migrates a database to the schema of this version of the program."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fhir_pmp.store.engine.connecting import open_engines
from fhir_pmp.store.errors import NotMigrated

_MIGRATIONS = Path(__file__).parent.parent / "migrations"


def migrate(url: str) -> str:
    """Migrates to the newest revision and returns it. Safe to repeat and to interrupt."""
    engine, _ = open_engines(url)
    try:
        with engine.connect() as connection, connection.begin():
            command.upgrade(configuration(connection), "head")
    finally:
        engine.dispose()
    return newest_revision()


def check_migrated(connection: sa.Connection) -> None:
    """Raises NotMigrated for a database at another revision."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found != newest_revision():
        raise NotMigrated(f"the database is at {found or 'nothing'}, this version needs {newest_revision()}")


def newest_revision() -> str:
    """The revision that this version of the program needs."""
    head = ScriptDirectory.from_config(configuration()).get_current_head()
    if head is None:
        raise RuntimeError("the program came without its migrations")
    return head


def configuration(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration, without a file; the migrations run in the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
