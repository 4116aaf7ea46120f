"""A clinician at a browser: accepts, declines, sees to a flag, reads and signs a letter; by mouse, by keys, without scripts."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.store.clinical.letters import LetterState
from tests.end_to_end.served_pages import ServedClinic, serve_clinic
from tests.integration.web.pages.clinic_harness import ClinicHarness

pytestmark = pytest.mark.browser


def _people(harness: ClinicHarness) -> None:
    harness.finish("Kofi", "never_started")
    harness.enrol_from_export("Nadia", until="start")
    harness.refer("Willa")
    harness.refer("Otto")


@pytest.fixture
def served_clinic(tmp_path: Path) -> Iterator[ServedClinic]:
    with serve_clinic(tmp_path, _people) as found:
        yield found


@pytest.fixture(params=["with scripts", "without scripts"])
def either(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page in a browser that runs scripts, and one in a browser that does not."""
    context = browser.new_context(java_script_enabled=request.param == "with scripts", locale="en-AU")
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def test_a_clinician_works_through_the_worklist(served_clinic: ServedClinic, either: Page) -> None:
    page, harness = either, served_clinic.harness

    # 1. She logs in and sees the flag first.
    served_clinic.log_in(page)
    expect(page.get_by_role("heading", name="Safety flags not acknowledged (1)")).to_be_visible()

    # 2. She sees to it and says what was done.
    page.get_by_role("link", name="See and acknowledge").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Safety flag: Nadia Sampleton")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter what was done")
    page.get_by_label("What was done").fill("Telephoned, safety plan agreed.")
    page.get_by_role("button", name="Acknowledge").click()
    safety = page.get_by_role("region", name="Safety", exact=True)
    expect(safety).to_contain_text("Telephoned, safety plan agreed.")
    with harness.store.read() as uow:
        assert uow.flags.list_open() == []

    # 3. She accepts one referral.
    page.get_by_role("link", name="Worklist").click()
    page.get_by_role("link", name="Sampleton, Willa").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Referral R-")
    expect(page.locator("main")).to_contain_text("Low back pain for two years")
    page.get_by_role("button", name="Accept the referral").click()
    expect(page.locator("main")).to_contain_text("referral accepted, by Dr Ada Sample")

    # 4. She declines the other: the letter says why, and it is declined with her signature.
    page.get_by_role("link", name="Worklist").click()
    page.get_by_role("link", name="Sampleton, Otto").click()
    page.get_by_role("button", name="Decline: write the letter").click()
    page.get_by_label("Reason for declining").fill("The programme is for adults.")
    page.get_by_role("button", name="Preview, then sign").click()
    page.get_by_role("button", name="Sign and send").click()
    expect(page.locator("main")).to_contain_text("signed by Dr Ada Sample")
    with harness.store.read() as uow:
        states = {name: uow.episodes.get(harness.episodes[name]).state.value for name in ("Willa", "Otto")}
    assert states == {"Willa": "accepted", "Otto": "declined"}

    # 5. She reads a discharge letter as it will leave, and signs exactly that.
    page.get_by_role("link", name="Worklist").click()
    page.get_by_role("link", name="Imaginary, Kofi").click()
    page.get_by_label("Comment").fill("We wish him well.")
    page.get_by_role("button", name="Preview, then sign").click()
    address = page.get_by_role("link", name="Download it instead").get_attribute("href")
    read = page.request.get(f"{served_clinic.address}{address}").body()
    page.get_by_role("button", name="Sign and send").click()
    expect(page.locator("main")).to_contain_text("signed by Dr Ada Sample on 30 July 2026")
    with harness.store.read() as uow:
        (letter,) = uow.letters.of_episode(harness.episodes["Kofi"], LetterKind.DISCHARGE)
        assert (letter.state, letter.pdf_hash) == (LetterState.SIGNED, sha256(read).hexdigest())
        assert uow.letters.pdf(letter.id) == read

    # 6. She leaves, and nothing opens any more.
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("main")).to_contain_text("You are logged out.")
    page.goto(f"{served_clinic.address}/worklist")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_the_same_by_keys_alone_with_the_focus_in_sight(served_clinic: ServedClinic, page: Page) -> None:
    page.goto(f"{served_clinic.address}/login")
    page.keyboard.press("Tab")
    assert _focused(page) == "Skip to main content"
    _tab_to(page, "login")
    page.keyboard.type("ada")
    _tab_to(page, "password")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Worklist")

    _tab_to(page, "See and acknowledge", seen=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Safety flag: Nadia Sampleton")
    _tab_to(page, "action")
    page.keyboard.type("Telephoned.")
    _tab_to(page, "Acknowledge", seen=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Safety", exact=True)).to_contain_text("Telephoned.")

    # The first stop of a page leads past the menu.
    page.goto(f"{served_clinic.address}/worklist")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    _tab_to(page, "Sampleton, Willa", seen=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Referral R-")
    _tab_to(page, "Service request", seen=True)  # what was sent opens and closes by keys
    page.keyboard.press("Enter")
    expect(page.locator("details").first).not_to_have_attribute("open", "")
    page.goto(page.url)
    _tab_to(page, "Accept the referral", seen=True)
    page.keyboard.press("Space")
    expect(page.locator("main")).to_contain_text("referral accepted")


def test_an_error_summary_takes_the_focus_and_leads_to_the_field(
    served_clinic: ServedClinic, page: Page
) -> None:
    served_clinic.log_in(page)
    page.goto(f"{served_clinic.address}/episodes/{served_clinic.harness.episodes['Nadia']}/end")
    page.get_by_label("Reason").fill("Moved away")
    page.get_by_role("button", name="End the episode").click()
    expect(page.locator(".nhsuk-error-summary")).to_be_focused()
    page.get_by_role("link", name="Choose how the episode ends").click()
    expect(page.get_by_label("Finished the programme")).to_be_focused()
    expect(page.get_by_label("Reason")).to_have_value("Moved away")
    assert page.title().startswith("Error: ")


def test_a_session_that_is_about_to_end_says_so_and_can_be_kept(
    served_clinic: ServedClinic, page: Page
) -> None:
    page.clock.install()
    served_clinic.log_in(page)
    warning = page.get_by_role("alertdialog")
    page.clock.run_for("12:00")
    expect(warning).to_be_hidden()
    page.clock.run_for("01:10")
    expect(warning).to_contain_text("You will be logged out in two minutes")
    expect(page.get_by_role("button", name="Stay logged in")).to_be_focused()
    with page.expect_response("**/stay"):
        page.get_by_role("button", name="Stay logged in").click()
    page.clock.run_for("00:02")
    expect(warning).to_be_hidden()
    page.clock.run_for("15:05")
    page.wait_for_url("**/login?ended=idle")
    expect(page.locator("main")).to_contain_text("nothing was clicked or typed for 15 minutes")


def test_typing_is_not_idling(served_clinic: ServedClinic, page: Page) -> None:
    page.clock.install()
    served_clinic.log_in(page)
    page.goto(f"{served_clinic.address}/episodes/{served_clinic.harness.episodes['Nadia']}/end")
    page.clock.run_for("12:00")
    with page.expect_response("**/stay"):
        page.get_by_label("Reason").press_sequentially("M")
    page.clock.run_for("12:00")
    expect(page.get_by_role("alertdialog")).to_be_hidden()
    expect(page.get_by_label("Reason")).to_have_value("M")


def _focused(page: Page) -> str:
    """What has the focus, by its words or its name."""
    found: str = page.evaluate(
        "() => { const e = document.activeElement;"
        " return (e.name || e.innerText || '').trim().replace(/\\s+/g, ' '); }"
    )
    return found


def _tab_to(page: Page, what: str, *, seen: bool = False) -> None:
    """Presses Tab until that has the focus; `seen`: the focus shows by more than the browser's own thin line."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if _focused(page).startswith(what):
            if seen:
                style: dict[str, str] = page.evaluate(
                    "() => { let e = document.activeElement; const s = getComputedStyle(e);"
                    " const inner = getComputedStyle(e.firstElementChild || e);"
                    " return {shadow: s.boxShadow + inner.boxShadow,"
                    " ground: s.backgroundColor + inner.backgroundColor, outline: s.outlineStyle}; }"
                )
                marked = "rgb(255, 235, 59)" in style["ground"] or style["shadow"] not in ("", "nonenone")
                assert marked, (what, style)
            return
    raise AssertionError(f"{what} is not reached by Tab")
