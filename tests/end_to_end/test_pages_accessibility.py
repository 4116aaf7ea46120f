"""Every page, wide and narrow: no barrier axe knows of, nothing to scroll sideways, no host but ours asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.end_to_end.served_pages import ServedClinic, hosts_asked, serve_clinic
from tests.integration.web.pages.clinic_harness import fill_every_stage
from tests.integration.web.pages.screenshots import page_paths

pytestmark = pytest.mark.browser

WIDTHS = (1280, 375)


@pytest.fixture(scope="module")
def served_clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedClinic]:
    folder: Path = tmp_path_factory.mktemp("pages")
    with serve_clinic(folder, fill_every_stage) as found:
        yield found


def _open(browser: Browser, width: int) -> Page:
    context = browser.new_context(viewport={"width": width, "height": 800}, locale="en-AU")
    context.set_default_timeout(15_000)
    return context.new_page()


def _violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:150]}" for one in found for node in one["nodes"]]


def _too_wide(page: Page) -> int:
    wide: int = page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wide


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_has_a_barrier_scrolls_sideways_or_asks_another_host(
    served_clinic: ServedClinic, browser: Browser, width: int
) -> None:
    page = _open(browser, width)
    asked = hosts_asked(page.context)
    wrong: list[str] = []

    def look(name: str) -> None:
        wrong.extend(f"{name}: {one}" for one in _violations(page))
        if (more := _too_wide(page)) > 0:
            wrong.append(f"{name}: {more} px too wide")

    page.goto(f"{served_clinic.address}/login")
    look("login")
    page.get_by_role("button", name="Log in").click()
    look("login with errors")
    served_clinic.log_in(page)
    shown = list(page_paths(served_clinic.harness))
    for name, path in shown:
        page.goto(served_clinic.address + path)
        look(name)
    page.context.close()
    assert len(shown) > 20
    assert wrong == []
    assert asked == {served_clinic.address.removeprefix("http://")}


@pytest.mark.parametrize("width", WIDTHS)
def test_forms_with_errors_and_the_preview_have_no_barrier_either(
    served_clinic: ServedClinic, browser: Browser, width: int
) -> None:
    page = _open(browser, width)
    served_clinic.log_in(page)
    named = dict(page_paths(served_clinic.harness))
    wrong: list[str] = []
    for name, button in (
        ("flag", "Acknowledge"),
        ("end", "End the episode"),
        ("work-safety-not-answered", "Close this item"),
        ("work-who-is-this", "Decide"),
        ("people", "Search"),
    ):
        page.goto(served_clinic.address + named[name])
        page.get_by_role("button", name=button).click()
        assert page.locator(".nhsuk-error-summary").count() == 1, name
        wrong += [f"{name}: {one}" for one in _violations(page)]
        wrong += [f"{name}: too wide"] * (_too_wide(page) > 0)
    page.goto(served_clinic.address + named["letter-draft"])
    page.get_by_role("button", name="Preview, then sign").click()
    page.get_by_role("heading", name="Read it, then sign it").wait_for()
    wrong += [f"preview: {one}" for one in _violations(page)]
    wrong += ["preview: too wide"] * (_too_wide(page) > 0)
    page.context.close()
    assert wrong == []


def test_the_check_for_barriers_finds_one(browser: Browser) -> None:
    page = _open(browser, 375)
    page.set_content(
        '<html lang="en"><title>x</title><main><h1>x</h1><img src="data:,"><input></main></html>'
    )
    assert {one.split(":")[0] for one in _violations(page)} >= {"image-alt", "label"}
    page.set_content("<div style='width:1000px'>wide</div>")
    assert _too_wide(page) > 0
    page.context.close()


def test_every_page_has_a_title_of_its_own_one_main_heading_and_a_language(
    served_clinic: ServedClinic, browser: Browser
) -> None:
    page = _open(browser, 1280)
    served_clinic.log_in(page)
    titles: dict[str, str] = {}
    for name, path in page_paths(served_clinic.harness):
        page.goto(served_clinic.address + path)
        assert page.locator("h1").count() == 1, name
        assert page.locator("html").get_attribute("lang") == "en-AU"
        assert page.title().endswith("– Example Pain Programme"), name
        titles[name] = page.title()
    titles.pop("nobody")  # the people's page with another filter
    assert len(set(titles.values())) == len(titles), titles
    page.context.close()


def test_without_scripts_every_page_still_shows_its_main_part(
    served_clinic: ServedClinic, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 375, "height": 800})
    context.set_default_timeout(15_000)
    page = context.new_page()
    served_clinic.log_in(page)
    for name, path in page_paths(served_clinic.harness):
        page.goto(served_clinic.address + path)
        assert page.locator("h1").is_visible(), name
        assert page.locator("#idle").is_hidden(), name
        assert page.get_by_role("button", name="Log out").is_visible(), name
    context.close()
