"""One person goes all the way, each visitor by their own door: the GP, the clinician in a browser, the platform, the EHR."""

import dataclasses
import re
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from demo.people import Person, gp_bundle
from demo.people.practices import PRACTICE_SYSTEM
from demo.practice_system import PracticeSystem
from tests.ehr_comparison import is_same_json
from tests.end_to_end.running_demo import RunningDemo
from tests.stub_ehr.json_text import from_json

pytestmark = [pytest.mark.hapi, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

PHQ9_TOTAL = "http://loinc.org|44261-6"
ITEMS = [str(number) for number in range(1, 10)]
FLAG_ACTION = "Telephoned; safety plan agreed; the practice was told."
GP_REQUEST = "Please review the analgesics in four weeks."


def test_a_referred_person_goes_all_the_way_by_every_door(running_demo: RunningDemo, page: Page) -> None:
    person = choose_person(running_demo)
    gp = practice_of(running_demo, person)
    other = PracticeSystem(
        f"{running_demo.service.address}/fhir", token(running_demo, "A practice elsewhere", "practice")
    )
    ehr = token(running_demo, "City hospital", "ehr")

    # 1. The GP refers, and is told the referral's number; another practice learns nothing.
    referred = gp.refer(gp_bundle(person, person.practice, today=running_demo.run_folder.today))
    assert gp.read(referred.task)["status"] in ("requested", "received")
    assert other.status(referred.task) == 404

    # 2. The clinician logs in, finds the referral on the worklist, reads it and accepts.
    log_in(running_demo, page)
    line = page.get_by_role("row").filter(has_text=referred.number)
    line.get_by_role("link").click()
    expect(page.get_by_role("heading", name=f"Referral {referred.number}")).to_be_visible()
    page.get_by_role("button", name="Accept the referral").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name_of(person))
    assert gp.read(referred.task)["status"] == "accepted"

    # 3. The platform hands in lessons and answers.
    output = running_demo.hand_in(
        [dataclasses.replace(person, referral_number=referred.number)], "one-person.csv"
    )
    assert "enrolments: 1 accepted, 0 repeated, 0 amended, 0 refused" in output
    assert gp.read(referred.task)["status"] == "in-progress"

    # 4. What was answered about self-harm stands first on the worklist, and the clinician says what was done.
    for _ in range(flagged(person)):
        page.goto(f"{running_demo.service.address}/worklist")
        page.get_by_role("row").filter(has_text=f"{person.family_name}, {person.given_name}").get_by_role(
            "link", name="See and acknowledge"
        ).first.click()
        page.get_by_label("What was done").fill(FLAG_ACTION)
        page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Not acknowledged")).to_have_count(0)

    # 5. The discharge letter was drafted: the clinician adds to it, reads it as it will leave, and signs it.
    letter = open_draft(running_demo, page, referred.number)
    page.get_by_label("What we ask of the GP").fill(GP_REQUEST)
    page.get_by_role("button", name="Preview, then sign").click()
    page.get_by_role("button", name="Sign and send").click()
    expect(page.get_by_text("signed by Dr Alex Example")).to_be_visible()
    signed = page.request.get(f"{letter}/letter.pdf").body()

    # 6. The GP finds the Task completed and reads exactly that letter; another practice is told there is none.
    task = gp.read(referred.task)
    assert task["status"] == "completed"
    document = task["output"][-1]["valueReference"]["reference"]
    assert b64decode(gp.read(document)["content"][0]["attachment"]["data"]) == signed
    assert [other.status(one) for one in (referred.task, referred.patient, document)] == [404, 404, 404]

    # 7. An EHR pulls the person's depression scores: the sums of what was answered.
    found = ask(
        f"{running_demo.service.address}/fhir/Observation?patient={referred.patient}&code={PHQ9_TOTAL}&_sort=date",
        ehr,
    )
    scores = [entry["resource"] for entry in found["entry"]]
    assert [one["valueQuantity"]["value"] for one in scores] == phq9_totals(person)

    # 8. Our own pushing brought the very same to the other EHR, the letter too.
    for resource in (*scores, ask(f"{running_demo.service.address}/fhir/{document}", ehr)):
        reference = f"{resource['resourceType']}/{resource['id']}"
        there = wait_for(lambda at=reference: ask_or_none(f"{running_demo.ehr.base}/{at}"))  # type: ignore[misc]
        assert is_same_json(without_meta(there), without_meta(resource))

    # 9. The clinician sees it on the person's page.
    page.goto(f"{running_demo.service.address}/people/{referred.patient.partition('/')[2]}")
    expect(page.locator("section", has=page.locator("#deliveries"))).to_contain_text(
        re.compile(r"hapi.*delivered", re.DOTALL)
    )


def choose_person(running_demo: RunningDemo) -> Person:
    """Referred, finished, shares, answered the PHQ-9 without blanks, and item 9 with more than zero: not among the stage's."""
    return next(
        person
        for person in running_demo.people(36, 200)
        if person.referred
        and person.ended_how == "finished"
        and person.share_with_ehr
        and flagged(person)
        and len(phq9_totals(person)) > 1
        and all(one.answers[item] is not None for one in phq9(person) for item in ITEMS)
    )


def phq9(person: Person) -> list[Any]:
    return [response for response in person.responses if response.instrument == "phq9"]


def phq9_totals(person: Person) -> list[int]:
    return [sum(one.answers[item] or 0 for item in ITEMS) for one in phq9(person)]


def flagged(person: Person) -> int:
    return sum((one.answers["9"] or 0) > 0 for one in phq9(person))


def name_of(person: Person) -> str:
    return f"{person.given_name} {person.family_name}"


def practice_of(running_demo: RunningDemo, person: Person) -> PracticeSystem:
    identifier = f"{PRACTICE_SYSTEM}|{person.practice.identifier}"
    return PracticeSystem(
        f"{running_demo.service.address}/fhir",
        token(running_demo, "The GP's practice", "practice", "--organization", identifier),
    )


def token(running_demo: RunningDemo, name: str, kind: str, *more: str) -> str:
    return running_demo.service.run("clients", "add", name, "--kind", kind, *more).split("token: ")[1].strip()


def log_in(running_demo: RunningDemo, page: Page) -> None:
    page.goto(f"{running_demo.service.address}/login")
    page.get_by_label("User name").fill(running_demo.result.login)
    page.get_by_label("Password", exact=True).fill(running_demo.result.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Worklist")).to_be_visible()


def open_draft(running_demo: RunningDemo, page: Page, number: str) -> str:
    """Finds the person by the referral's number, and their draft once sync has made it; the letter's address."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        page.goto(f"{running_demo.service.address}/people")
        page.get_by_label("Referral number").fill(number)
        page.get_by_role("button", name="Search").click()
        draft = page.get_by_role("row").filter(has_text="Discharge letter").get_by_role("link")
        if draft.count():
            draft.click()
            return page.url
    raise AssertionError("no discharge letter was drafted")


def ask(address: str, bearer: str | None = None) -> dict[str, Any]:
    headers = {"Accept": "application/fhir+json", "Cache-Control": "no-cache"}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=60) as answer:
        found: dict[str, Any] = from_json(answer.read())
        return found


def ask_or_none(address: str) -> dict[str, Any] | None:
    try:
        return ask(address)
    except urllib.error.HTTPError as refused:
        assert refused.code in (404, 410)
        return None


def wait_for(look: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.5)
    raise AssertionError("it did not arrive")


def without_meta(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "meta"}
