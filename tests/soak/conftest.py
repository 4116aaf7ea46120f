"""Schedules run without the program's own words: a thousand lines of log would say nothing here."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.soak.simulation.databases import PostgresDatabases, SqliteFile


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No log."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module")
def sqlite() -> Iterator[SqliteFile]:
    """A file that is put back before each schedule."""
    file = SqliteFile()
    yield file
    file.close()


@pytest.fixture(scope="module")
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresDatabases]:
    """A database for each schedule."""
    databases = PostgresDatabases(request.getfixturevalue("postgres_server"))
    yield databases
    databases.close()
