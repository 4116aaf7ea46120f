"""Takes a picture of every page, wide and narrow: `python -m tests.integration.web.pages.screenshots FOLDER`."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from fhir_pmp.letters.rendering.typesetting import Typesetter
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.store import Store
from fhir_pmp.store.engine.migrating import migrate
from tests.backing_services.chromium import launch_options
from tests.integration.web.pages.clinic_harness import (
    PASSWORD,
    ClinicHarness,
    build_clinic_harness,
    fill_every_stage,
    serve_app,
)
from tests.spec.letters.golden_cases import MAPPINGS

WIDTHS = {"wide": 1280, "narrow": 375}


def page_paths(harness: ClinicHarness) -> Iterator[tuple[str, str]]:
    """Every kind of page by name, and its address."""
    person = harness.people
    with harness.store.read() as uow:
        flag = uow.flags.list_open()[0]
        referral = uow.referrals.of_episodes([harness.episodes["Otto"]])[harness.episodes["Otto"]]
        items = {item.kind: item.id for item in uow.work_items.list_open()}
        drafts = {letter.episode: letter.id for letter in uow.letters.list_drafts()}
        receipt = uow.letters.of_episode(harness.episodes["Otto"], LetterKind.RECEIPT)[0]
    yield "worklist", "/worklist"
    yield "people", "/people"
    yield "nobody", "/people?state=cancelled"
    for name in ("Tobias", "Priya", "Nadia", "Kofi", "Hanna", "Otto"):
        yield f"person-{name.lower()}", f"/people/{person[name]}"
    yield "deliveries", f"/people/{person['Tobias']}/deliveries"
    yield "flag", f"/flags/{flag.id}"
    yield "referral", f"/referrals/{referral.id}"
    yield "end", f"/episodes/{harness.episodes['Nadia']}/end"
    yield "letter-draft", f"/letters/{drafts[harness.episodes['Priya']]}"
    yield "letter-signed", f"/letters/{receipt.id}"
    for kind, item in items.items():
        yield f"work-{kind.replace('_', '-')}", f"/work/{item}"
    yield "intended-use", "/intended-use"
    yield "not-found", "/people/nobody"


def log_in(page: Page, address: str, login: str = "ada") -> None:
    """Logs in by the form."""
    page.goto(f"{address}/login")
    page.get_by_label("User name").fill(login)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def main(folder: Path) -> None:
    """Writes `<page>-<width>.png` files."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as place, Typesetter(MAPPINGS / "letters") as typesetter:
        url = f"sqlite:///{place}/day.db"
        migrate(url)
        harness = fill_every_stage(build_clinic_harness(Store(url), typesetter))
        with serve_app(harness) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
            for name, width in WIDTHS.items():
                page = browser.new_page(viewport={"width": width, "height": 900})
                page.goto(f"{address}/login")
                page.screenshot(path=folder / f"login-{name}.png", full_page=True)
                log_in(page, address)
                for title, path in page_paths(harness):
                    page.goto(address + path)
                    page.screenshot(path=folder / f"{title}-{name}.png", full_page=True)
                    print(f"{title}-{name}.png", page.title())
            browser.close()
        harness.web_context.audit.close()
        harness.store.close()


if __name__ == "__main__":
    os.environ["TZ"] = "Australia/Sydney"
    time.tzset()
    main(Path(sys.argv[1]))
