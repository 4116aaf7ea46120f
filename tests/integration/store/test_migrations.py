"""The migrations form one line, make exactly the tables the code names, and can be given again."""

from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from fhir_pmp.store import Store
from fhir_pmp.store.engine.connecting import open_engines
from fhir_pmp.store.engine.durability import check_durable
from fhir_pmp.store.engine.migrating import check_migrated, configuration, migrate, newest_revision
from fhir_pmp.store.errors import NotDurable, NotMigrated, StoreBusy


def test_the_migrations_form_one_line() -> None:
    script = ScriptDirectory.from_config(configuration())
    steps = list(script.walk_revisions())
    assert len(script.get_heads()) == len(script.get_bases()) == 1
    assert all(not step.is_merge_point and not step.is_branch_point for step in steps)


def test_the_migrated_tables_are_those_the_code_names(database_url: str) -> None:
    assert migrate(database_url) == newest_revision()
    engine, _ = open_engines(database_url)
    with engine.connect() as connection, connection.begin():
        command.check(configuration(connection))  # raises where autogenerate would find anything to do
    engine.dispose()


def test_a_migration_can_be_given_again(database_url: str) -> None:
    assert migrate(database_url) == migrate(database_url)
    with closing(Store(database_url)) as store:
        store.check_ready()


def test_a_database_that_is_not_migrated_is_refused(database_url: str) -> None:
    engine, _ = open_engines(database_url)
    with engine.connect() as connection, pytest.raises(NotMigrated, match="nothing"):
        check_migrated(connection)
    engine.dispose()


def test_a_database_of_another_version_is_refused(database_url: str) -> None:
    migrate(database_url)
    engine, _ = open_engines(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'later'"))
    with engine.connect() as connection, pytest.raises(NotMigrated, match="later"):
        check_migrated(connection)
    engine.dispose()


@pytest.mark.promise("P5")
def test_a_sqlite_file_is_opened_so_that_it_recovers(sqlite_url: str) -> None:
    migrate(sqlite_url)
    store = Store(sqlite_url)
    store.check()
    store.close()


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    "pragma", ["PRAGMA synchronous = NORMAL", "PRAGMA journal_mode = DELETE", "PRAGMA foreign_keys = OFF"]
)
def test_a_sqlite_file_that_could_not_recover_is_refused(sqlite_url: str, pragma: str) -> None:
    engine, _ = open_engines(sqlite_url)
    raw = engine.raw_connection()
    raw.cursor().execute(pragma)
    raw.close()
    with engine.connect() as connection, pytest.raises(NotDurable, match=pragma.split()[1]):
        check_durable(connection)
    engine.dispose()


@pytest.mark.promise("P5")
def test_a_postgresql_that_could_not_recover_is_refused(postgres_url: str) -> None:
    engine, _ = open_engines(postgres_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET synchronous_commit = off")
        with pytest.raises(NotDurable, match="synchronous_commit"):
            check_durable(connection)
    engine.dispose()


def test_a_database_out_of_reach_is_told_as_try_later(tmp_path: object) -> None:
    for url in (
        f"sqlite:///{tmp_path}/no/such/folder/store.db",
        f"postgresql+psycopg://nobody@/none?host={tmp_path}",
    ):
        with closing(Store(url)) as store, pytest.raises(StoreBusy):
            store.check_ready()
