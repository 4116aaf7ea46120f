"""Pages: complete and without repeats while data arrives; next links closed and for their caller alone."""

from urllib.parse import parse_qs, urlsplit

from tests.integration.web.house import House, ids_of, next_of, observation, resource


def _pages(house: House, path: str, *, who: str = "ehr") -> list[list[str]]:
    found, url = [], path
    while url:
        bundle = house.get(who, url).json
        assert bundle is not None
        found.append(ids_of(bundle))
        url = next_of(bundle) or ""
    return found


def test_pages_hold_everything_once_in_either_order(house: House) -> None:
    house.enrol("a")
    # In threes: one transaction shares one lastUpdated, and pages are cut inside it.
    for first in range(0, 12, 3):
        house.publish(
            *(observation(f"o-{n:02}", "a", on=f"2026-03-{1 + n % 5:02}") for n in range(first, first + 3))
        )
    every = [f"o-{n:02}" for n in range(12)]
    for count in (1, 2, 5, 12, 13):
        by_update = _pages(house, f"/fhir/Observation?_count={count}")
        assert [id for page in by_update for id in page] == every
        assert max(len(page) for page in by_update) <= count
        backwards = _pages(house, f"/fhir/Observation?_count={count}&_sort=-_lastUpdated")
        assert [id for page in backwards for id in page] == every[::-1]
        by_date = [
            id for page in _pages(house, f"/fhir/Observation?_count={count}&_sort=date") for id in page
        ]
        assert sorted(by_date) == every
        assert by_date == sorted(every, key=lambda id: (int(id[2:]) % 5, id))


def test_pages_stay_complete_and_without_repeats_while_data_arrives(house: House) -> None:
    house.enrol("a")
    for n in range(10):
        house.publish(observation(f"o-{n:02}", "a"))
    for sort in ("_lastUpdated", "-_lastUpdated", "date", "-date"):
        url, found = f"/fhir/Observation?_count=3&_sort={sort}", list[str]()
        arrived = 0
        while url:
            bundle = house.get("ehr", url).json
            assert bundle is not None
            found += ids_of(bundle)
            url = next_of(bundle) or ""
            # Between any two pages one that was listed, or is still to be, changes; and a new one appears.
            house.publish(observation(f"o-{arrived:02}", "a", value=arrived + 20 * len(sort)))
            house.publish(observation(f"o-{9 - arrived:02}", "a", value=arrived + 21 * len(sort)))
            house.publish(observation(f"new-{sort}-{arrived}".replace("_", ""), "a"))
            arrived += 1
        listed = [id for id in found if id.startswith("o-")]
        assert sorted(listed) == [f"o-{n:02}" for n in range(10)], sort
        assert len(found) == len(set(found)), sort


def test_a_poll_by_last_updated_after_the_listing_finds_what_arrived_meanwhile(house: House) -> None:
    house.enrol("a")
    for n in range(4):
        house.publish(observation(f"o-{n}", "a"))
    bundle = house.get("ehr", "/fhir/Observation?_count=2").json
    assert bundle is not None
    house.publish(observation("o-3", "a", value=9), observation("o-4", "a"))
    rest = house.get("ehr", next_of(bundle) or "").json
    assert rest is not None
    assert ids_of(bundle) + ids_of(rest) == ["o-0", "o-1", "o-2", "o-3"]
    # o-3 was listed as it was when the listing began; the poll that follows brings it anew.
    assert rest["entry"][1]["resource"]["meta"]["versionId"] == "1"
    newest = rest["entry"][-1]["resource"]["meta"]["lastUpdated"]
    polled = house.get("ehr", f"/fhir/Observation?_lastUpdated=gt{newest}").json
    assert ids_of(polled) == ["o-3", "o-4"]


def test_consent_withdrawn_between_pages_counts_at_once(house: House) -> None:
    for name in ("a", "b"):
        house.enrol(name)
    for n in range(3):
        house.publish(observation(f"a-{n}", "a"), observation(f"b-{n}", "b"))
    bundle = house.get("ehr", "/fhir/Observation?_count=2").json
    assert bundle is not None
    house.consent("b", False)
    rest = house.get("ehr", (next_of(bundle) or "") + "").json
    assert rest is not None
    assert ids_of(rest) == ["a-1", "a-2"]
    assert next_of(rest) is None


def test_no_identifier_stands_in_a_next_link(house: House) -> None:
    house.enrol("a")
    identifier = [{"system": "urn:medicare", "value": "2951000001"}]
    house.publish(*(resource("Patient", f"p-{n}", "a", identifier=identifier) for n in range(3)))
    first = house.call(
        "ehr", "POST", "/fhir/Patient/_search", data={"identifier": "2951000001", "_count": "2"}
    ).json
    link = next_of(first) or ""
    assert "2951000001" not in link
    assert list(parse_qs(urlsplit(link).query)) == ["_page"]
    assert ids_of(first) + ids_of(house.get("ehr", link).json) == ["p-0", "p-1", "p-2"]


def test_a_next_link_is_of_use_to_its_caller_alone(house: House) -> None:
    link = next_of(house.get("ehr", "/fhir/Questionnaire?_count=1").json) or ""
    assert house.get("ehr", link).status_code == 200
    assert house.get("practice", link).status_code == 400
    assert house.get(None, link).status_code == 401
    assert house.get("ehr", link.replace("Questionnaire", "Observation")).status_code == 400
    altered = link[:-9] + ("A" if link[-9] != "A" else "B") + link[-8:]
    assert house.get("ehr", altered).status_code == 400
    assert house.get("ehr", link + "&_count=100").status_code == 400


def test_more_than_a_page_may_hold_comes_in_pages(house: House) -> None:
    house.enrol("a")
    house.publish(*(observation(f"o-{n:03}", "a") for n in range(210)))
    pages = _pages(house, "/fhir/Observation?_count=100000")
    assert [len(page) for page in pages] == [200, 10]
