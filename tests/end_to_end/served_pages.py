"""A clinic's day behind a real server on the loopback, for a real browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, Request

from fhir_pmp.letters.rendering.typesetting import Typesetter
from fhir_pmp.store import Store
from fhir_pmp.store.engine.migrating import migrate
from tests.integration.web.pages.clinic_harness import (
    PASSWORD,
    ClinicHarness,
    build_clinic_harness,
    serve_app,
)
from tests.spec.letters.golden_cases import MAPPINGS


@dataclass
class ServedClinic:
    """The day and where it is served."""

    harness: ClinicHarness
    address: str

    def log_in(self, page: Page, login: str = "ada") -> None:
        """Logs in by the form."""
        page.goto(f"{self.address}/login")
        page.get_by_label("User name").fill(login)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Worklist", exact=True).wait_for()


@contextmanager
def serve_clinic(folder: Path, fill: Callable[[ClinicHarness], object]) -> Iterator[ServedClinic]:
    """A new clinic, filled, over SQLite in this folder."""
    url = f"sqlite:///{folder / 'day.db'}"
    migrate(url)
    store = Store(url)
    with Typesetter(MAPPINGS / "letters") as typesetter:
        harness = build_clinic_harness(store, typesetter)
        fill(harness)
        with serve_app(harness) as address:
            yield ServedClinic(harness, address)
        harness.web_context.audit.close()
    store.close()


def hosts_asked(context: BrowserContext) -> set[str]:
    """The hosts that the context's pages ask from now on; it grows while they do."""
    asked: set[str] = set()

    def note(request: Request) -> None:
        if not request.url.startswith("data:"):
            asked.add(request.url.split("/")[2])

    context.on("request", note)
    return asked
