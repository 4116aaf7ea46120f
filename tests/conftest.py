"""The fixtures every kind of test shares: databases, the real EHR, the browser. Tests run in a zone far from UTC."""

import os
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from _pytest.nodeid import coerce_node_id
from hypothesis import settings
from playwright.sync_api import Browser, Page, sync_playwright

from tests.backing_services.chromium import find_chromium, launch_options
from tests.backing_services.dependency_missing import DependencyMissing, in_ci
from tests.backing_services.postgres import PostgresServer
from tests.hapi.server import HapiServer

pytest_plugins = ["tests.backing_services.skip_report"]
Part = TypeVar("Part")

# Ten or eleven hours from UTC, with a change of clocks: a time that forgets its zone is seen here.
os.environ["TZ"] = "Australia/Sydney"
time.tzset()
for _name in [name for name in os.environ if name.startswith("FHIR_PMP_") and name != "FHIR_PMP_TEST_EHR"]:
    del os.environ[_name]

settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if in_ci() else "here")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share the one HAPI go to the same worker."""
    for item in items:
        if "hapi" in getattr(item, "fixturenames", ()) or item.get_closest_marker("hapi"):
            item.add_marker(pytest.mark.hapi)
            if hasattr(item.config, "workerinput"):
                # As pytest-xdist's own `xdist_group` would do, which does not know where pytest 9.2 keeps the name.
                item._id = coerce_node_id(f"{item.nodeid}@hapi")


def require_part(find: Callable[[], Part]) -> Part:
    """What `find` gives. A PartMissing skips the test and is counted by name; under CI=true it fails the test."""
    try:
        return find()
    except DependencyMissing as missing:
        if in_ci():
            pytest.fail(f"part missing: {missing}", pytrace=False)
        pytest.skip(f"part missing: {missing}")


@pytest.fixture(scope="session")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HapiServer]:
    """The real EHR, in memory, one for the session: make people of your own, others use it too, and leave it running."""
    server = HapiServer(tmp_path_factory.mktemp("hapi"), in_memory=True)
    require_part(server.start)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own, one for the session."""
    server = require_part(PostgresServer().start)
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database of this test's own."""
    name = postgres_server.new_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The SQLAlchemy URL of a SQLite file of this test's own, which is not there yet."""
    return f"sqlite:///{tmp_path_factory.mktemp('database') / 'test.sqlite'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of this test's own: the test runs once on each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    return require_part(find_chromium)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once."""
    options = require_part(launch_options)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)  # type: ignore[arg-type]
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page in a browser context of its own: no cookies of another test."""
    context = browser.new_context(locale="en-AU", timezone_id="Australia/Sydney")
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()
