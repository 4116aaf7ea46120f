"""Takes the README's screenshots from a running demo.

Run `make demo` in one terminal and `make screenshots` in another.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, FloatRect, Page, sync_playwright

from tests.backing_services.chromium import launch_options
from tests.backing_services.dependency_missing import DependencyMissing

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
SUMMARY = ROOT / "demo" / "data" / "summary.json"
LETTER_WIDTH = 900
PAGE_WIDTH = 1200
BEGINNING = FloatRect(x=0, y=0, width=PAGE_WIDTH, height=1130)
MEASURE = "Pain catastrophising (PCS)"


def person_pictures(page: Page, facts: dict[str, Any], images: Path) -> None:
    """Takes two screenshots of the person whose letter the demo signed: page top and one measure."""
    page.goto(f"{facts['address']}/login")
    page.get_by_label("User name").fill(facts["login"])
    page.get_by_label("Password", exact=True).fill(facts["password"])
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{facts['address']}/people/{facts['summary_of']}")
    page.screenshot(path=images / "person-page.png", full_page=True, clip=BEGINNING)
    page.locator("article").filter(has_text=MEASURE).first.screenshot(path=images / "person-measure.png")


def letter_page(pdf: Path, file: Path) -> None:
    """Renders page one of the signed letter as a PNG."""
    options = [
        "-png",
        "-f",
        "1",
        "-l",
        "1",
        "-singlefile",
        "-scale-to-x",
        str(LETTER_WIDTH),
        "-scale-to-y",
        "-1",
    ]
    subprocess.run(["pdftoppm", *options, str(pdf), str(file.with_suffix(""))], check=True)


def main() -> None:
    """Writes the screenshots; exits with a message where no demo is running."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--summary", type=Path, default=SUMMARY, help="the summary file of the demo")
    parser.add_argument("--images", type=Path, default=IMAGES, help="folder for the screenshots")
    options = parser.parse_args()
    if not options.summary.exists():
        sys.exit("No demo has run yet: make demo")
    facts = json.loads(options.summary.read_text(encoding="utf-8"))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
            page = browser.new_page(viewport={"width": PAGE_WIDTH, "height": 900}, locale="en-AU")
            person_pictures(page, facts, options.images)
            browser.close()
    except (Error, DependencyMissing) as failure:
        sys.exit(f"{failure}\nIs the demo still serving? make demo")
    letter_page(Path(facts["letters"][0]["pdf"]), options.images / "discharge-letter.png")


if __name__ == "__main__":
    main()
