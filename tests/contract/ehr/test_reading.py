"""What an EHR does with our reads and searches."""

from tests.contract.ehr.fhir_caller import Caller, new_id, observation, patient, read, version_of


def test_a_search_is_kept_for_a_minute_unless_asked_for_anew(ehr: Caller) -> None:
    person = patient()
    search = f"Patient?identifier=urn:test:person|{person['id']}"
    assert read(ehr.ask("GET", search)).get("total") == 0
    ehr.put(person)
    assert read(ehr.ask("GET", search)).get("total") == 0
    assert ehr.search(search)["total"] == 1


def test_an_unknown_search_parameter_is_400(ehr: Caller) -> None:
    assert ehr.ask("GET", "Patient?favourite-colour=blue").status_code == 400


def test_a_search_by_post_finds_the_same(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    form = f"identifier=urn:test:person%7C{person['id']}".encode()
    response = ehr.ask(
        "POST",
        "Patient/_search",
        form,
        Content_Type="application/x-www-form-urlencoded",
        Cache_Control="no-cache",
    )
    assert [entry["resource"]["id"] for entry in read(response)["entry"]] == [person["id"]]


def test_an_identifier_of_another_system_is_not_found(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    assert ehr.search(f"Patient?identifier=urn:test:other|{person['id']}")["total"] == 0


def test_a_birth_date_narrows_the_search(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    search = f"Patient?identifier=urn:test:person|{person['id']}&birthdate="
    assert ehr.search(search + "1970-02-03")["total"] == 1
    assert ehr.search(search + "1970-02-04")["total"] == 0


def test_pages_are_followed_by_link_and_give_each_once(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    wanted = {ehr.put(observation(f"Patient/{person['id']}")).json()["id"] for _ in range(5)}
    page = ehr.search(f"Observation?patient=Patient/{person['id']}&_count=2")
    found = []
    while True:
        found += [entry["resource"]["id"] for entry in page.get("entry", [])]
        links = {link["relation"]: link["url"] for link in page["link"]}
        if "next" not in links:
            break
        assert links["next"].startswith(ehr.address)
        page = ehr.get(links["next"])
    assert len(found) == 5
    assert set(found) == wanted


def test_a_search_by_last_updated_gives_what_changed_since(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    since = ehr.get(f"Patient/{person['id']}")["meta"]["lastUpdated"].replace("+", "%2B")
    page = ehr.search(f"Patient?_lastUpdated=ge{since}&_sort=_lastUpdated&_count=50")
    assert person["id"] in [entry["resource"]["id"] for entry in page["entry"]]


def test_a_scores_page_is_found_by_patient_and_code(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    score = observation(f"Patient/{person['id']}")
    ehr.put(score)
    search = f"Observation?patient=Patient/{person['id']}&code=urn:test:code|"
    assert ehr.search(search + "a-score")["total"] == 1
    assert ehr.search(search + "another")["total"] == 0


def test_what_is_not_there_is_404_with_an_outcome(ehr: Caller) -> None:
    response = ehr.ask("GET", f"Patient/{new_id('nobody')}")
    assert response.status_code == 404
    assert read(response)["resourceType"] == "OperationOutcome"


def test_the_capability_statement_tells_what_a_client_may_do(ehr: Caller) -> None:
    statement = ehr.get("metadata")
    assert statement["fhirVersion"] == "4.0.1"
    (rest,) = statement["rest"]
    assert {"code": "transaction"} in [{"code": i["code"]} for i in rest["interaction"]]
    (observation_,) = [each for each in rest["resource"] if each["type"] == "Observation"]
    assert {"update", "create", "read"} <= {i["code"] for i in observation_["interaction"]}
    assert (observation_["conditionalCreate"], observation_["conditionalUpdate"]) == (True, True)
    # It takes ids of ours all the same, which is why mappings/destinations/hapi.yaml names the way of writing.
    assert "updateCreate" not in observation_


def test_the_etag_of_a_read_is_that_of_the_write(ehr: Caller) -> None:
    person = patient()
    written = ehr.put(person)
    assert version_of(ehr.ask("GET", f"Patient/{person['id']}")) == version_of(written)
