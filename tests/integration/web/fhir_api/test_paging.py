"""Pages: complete and without repeats while data arrives; next links closed and for their caller alone."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.web.web_harness import WebHarness, next_link, observation, resource, resource_ids


def _pages(harness: WebHarness, path: str, *, who: str = "ehr") -> list[list[str]]:
    found, url = [], path
    while url:
        bundle = harness.get(who, url).json
        assert bundle is not None
        found.append(resource_ids(bundle))
        url = next_link(bundle) or ""
    return found


def test_pages_hold_everything_once_in_either_order(harness: WebHarness) -> None:
    harness.enrol("a")
    # In threes: one transaction shares one lastUpdated, and pages are cut inside it.
    for first in range(0, 12, 3):
        harness.publish(
            *(observation(f"o-{n:02}", "a", on=f"2026-03-{1 + n % 5:02}") for n in range(first, first + 3))
        )
    every = [f"o-{n:02}" for n in range(12)]
    for count in (1, 2, 5, 12, 13):
        by_update = _pages(harness, f"/fhir/Observation?_count={count}")
        assert [id for page in by_update for id in page] == every
        assert max(len(page) for page in by_update) <= count
        backwards = _pages(harness, f"/fhir/Observation?_count={count}&_sort=-_lastUpdated")
        assert [id for page in backwards for id in page] == every[::-1]
        by_date = [
            id for page in _pages(harness, f"/fhir/Observation?_count={count}&_sort=date") for id in page
        ]
        assert sorted(by_date) == every
        assert by_date == sorted(every, key=lambda id: (int(id[2:]) % 5, id))


@pytest.mark.promise("P13")
def test_pages_stay_complete_and_without_repeats_while_data_arrives(harness: WebHarness) -> None:
    harness.enrol("a")
    for n in range(10):
        harness.publish(observation(f"o-{n:02}", "a"))
    for sort in ("_lastUpdated", "-_lastUpdated", "date", "-date"):
        url, found = f"/fhir/Observation?_count=3&_sort={sort}", list[str]()
        arrived = 0
        while url:
            bundle = harness.get("ehr", url).json
            assert bundle is not None
            found += resource_ids(bundle)
            url = next_link(bundle) or ""
            # Between any two pages one that was listed, or is still to be, changes; and a new one appears.
            harness.publish(observation(f"o-{arrived:02}", "a", value=arrived + 20 * len(sort)))
            harness.publish(observation(f"o-{9 - arrived:02}", "a", value=arrived + 21 * len(sort)))
            harness.publish(observation(f"new-{sort}-{arrived}".replace("_", ""), "a"))
            arrived += 1
        listed = [id for id in found if id.startswith("o-")]
        assert sorted(listed) == [f"o-{n:02}" for n in range(10)], sort
        assert len(found) == len(set(found)), sort


def test_a_poll_by_last_updated_after_the_listing_finds_what_arrived_meanwhile(harness: WebHarness) -> None:
    harness.enrol("a")
    for n in range(4):
        harness.publish(observation(f"o-{n}", "a"))
    bundle = harness.get("ehr", "/fhir/Observation?_count=2").json
    assert bundle is not None
    harness.publish(observation("o-3", "a", value=9), observation("o-4", "a"))
    rest = harness.get("ehr", next_link(bundle) or "").json
    assert rest is not None
    assert resource_ids(bundle) + resource_ids(rest) == ["o-0", "o-1", "o-2", "o-3"]
    # o-3 was listed as it was when the listing began; the poll that follows brings it anew.
    assert rest["entry"][1]["resource"]["meta"]["versionId"] == "1"
    newest = rest["entry"][-1]["resource"]["meta"]["lastUpdated"]
    polled = harness.get("ehr", f"/fhir/Observation?_lastUpdated=gt{newest}").json
    assert resource_ids(polled) == ["o-3", "o-4"]


@pytest.mark.promise("P12")
def test_consent_withdrawn_between_pages_counts_at_once(harness: WebHarness) -> None:
    for name in ("a", "b"):
        harness.enrol(name)
    for n in range(3):
        harness.publish(observation(f"a-{n}", "a"), observation(f"b-{n}", "b"))
    bundle = harness.get("ehr", "/fhir/Observation?_count=2").json
    assert bundle is not None
    harness.consent("b", False)
    rest = harness.get("ehr", (next_link(bundle) or "") + "").json
    assert rest is not None
    assert resource_ids(rest) == ["a-1", "a-2"]
    assert next_link(rest) is None


@pytest.mark.promise("P10")
def test_no_identifier_stands_in_a_next_link(harness: WebHarness) -> None:
    harness.enrol("a")
    identifier = [{"system": "urn:medicare", "value": "2951000001"}]
    harness.publish(*(resource("Patient", f"p-{n}", "a", identifier=identifier) for n in range(3)))
    first = harness.call(
        "ehr", "POST", "/fhir/Patient/_search", data={"identifier": "2951000001", "_count": "2"}
    ).json
    link = next_link(first) or ""
    assert "2951000001" not in link
    assert list(parse_qs(urlsplit(link).query)) == ["_page"]
    assert resource_ids(first) + resource_ids(harness.get("ehr", link).json) == ["p-0", "p-1", "p-2"]


def test_a_next_link_is_of_use_to_its_caller_alone(harness: WebHarness) -> None:
    link = next_link(harness.get("ehr", "/fhir/Questionnaire?_count=1").json) or ""
    assert harness.get("ehr", link).status_code == 200
    assert harness.get("practice", link).status_code == 400
    assert harness.get(None, link).status_code == 401
    assert harness.get("ehr", link.replace("Questionnaire", "Observation")).status_code == 400
    altered = link[:-9] + ("A" if link[-9] != "A" else "B") + link[-8:]
    assert harness.get("ehr", altered).status_code == 400
    assert harness.get("ehr", link + "&_count=100").status_code == 400


def test_more_than_a_page_may_hold_comes_in_pages(harness: WebHarness) -> None:
    harness.enrol("a")
    harness.publish(*(observation(f"o-{n:03}", "a") for n in range(210)))
    pages = _pages(harness, "/fhir/Observation?_count=100000")
    assert [len(page) for page in pages] == [200, 10]
