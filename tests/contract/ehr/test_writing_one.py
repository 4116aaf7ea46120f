"""What an EHR does with one resource that we write."""

from typing import Any

import pytest

from tests.contract.ehr.fhir_caller import (
    Caller,
    new_id,
    observation,
    patient,
    read,
    version_of,
    without_meta,
)


def test_a_put_with_a_new_id_creates_version_one_and_names_no_place(ehr: Caller) -> None:
    response = ehr.put(patient())
    assert (response.status_code, version_of(response)) == (201, "1")
    assert "Location" not in response.headers
    assert response.headers["Content-Location"].endswith("/_history/1")


@pytest.mark.parametrize("wanted", ["12345", "a" * 65])
def test_an_id_of_digits_or_over_64_characters_is_refused(ehr: Caller, wanted: str) -> None:
    assert ehr.put(patient(wanted)).status_code == 400


def test_the_same_content_again_gives_no_new_version(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    again = ehr.put(person)
    assert (again.status_code, version_of(again)) == (200, "1")


def test_a_changed_content_gives_the_next_version(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    changed = ehr.put(person | {"birthDate": "1970-02-04"}, If_Match='W/"1"')
    assert (changed.status_code, version_of(changed)) == (200, "2")


def test_a_stale_if_match_is_409_and_nothing_is_written(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    ehr.put(person | {"birthDate": "1970-02-04"})
    stale = ehr.put(person | {"birthDate": "1970-02-05"}, If_Match='W/"1"')
    assert stale.status_code == 409
    assert ehr.get(f"Patient/{person['id']}")["birthDate"] == "1970-02-04"


def test_the_repeat_of_an_update_that_succeeded_is_409_too(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    changed = person | {"birthDate": "1970-02-04"}
    assert ehr.put(changed, If_Match='W/"1"').status_code == 200
    assert ehr.put(changed, If_Match='W/"1"').status_code == 409
    assert without_meta(ehr.get(f"Patient/{person['id']}")) == changed


def test_if_none_match_on_an_existing_id_overwrites(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    response = ehr.put(person | {"birthDate": "1970-02-04"}, If_None_Match="*")
    assert (response.status_code, version_of(response)) == (200, "2")


def test_a_post_takes_an_id_of_the_server_and_names_the_place(ehr: Caller) -> None:
    response = ehr.ask("POST", "Patient", patient())
    assert response.status_code == 201
    assert read(response)["id"].isdigit()
    assert response.headers["Location"].startswith(f"{ehr.address}/Patient/{read(response)['id']}/_history/1")


def test_what_the_server_named_is_updated_under_that_id(ehr: Caller) -> None:
    named = read(ehr.ask("POST", "Patient", patient()))
    changed = ehr.put(named | {"gender": "other"}, If_Match='W/"1"')
    assert (changed.status_code, version_of(changed)) == (200, "2")


def test_a_conditional_create_that_matches_gives_the_match(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    response = ehr.ask("POST", "Patient", person, If_None_Exist=f"identifier=urn:test:person|{person['id']}")
    assert response.status_code == 200
    assert response.headers["Location"].startswith(f"{ehr.address}/Patient/{person['id']}")


def test_a_conditional_update_by_itself_that_matches_nothing_takes_an_id_of_the_server(ehr: Caller) -> None:
    person = patient()
    response = ehr.ask("PUT", f"Patient?identifier=urn:test:person|{person['id']}", person)
    assert response.status_code == 201
    assert read(response)["id"].isdigit()


def test_a_conditional_update_that_matches_keeps_the_id_of_the_match(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    changed = {name: value for name, value in person.items() if name != "id"} | {"gender": "other"}
    response = ehr.ask("PUT", f"Patient?identifier=urn:test:person|{person['id']}", changed)
    assert response.status_code == 200
    assert read(response)["id"] == person["id"]


def test_an_if_match_on_what_was_never_there_creates_it(ehr: Caller) -> None:
    assert ehr.put(patient(), If_Match='W/"3"').status_code == 201


def test_what_others_refer_to_cannot_be_deleted(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    ehr.put(observation(f"Patient/{person['id']}"))
    assert ehr.ask("DELETE", f"Patient/{person['id']}").status_code == 409


def test_a_conditional_update_that_matches_several_is_412(ehr: Caller) -> None:
    first, second = patient(), patient()
    second["identifier"] = first["identifier"]
    ehr.put(first)
    ehr.put(second)
    response = ehr.ask(
        "PUT", f"Patient?identifier=urn:test:person|{first['id']}", {**first, "gender": "other"}
    )
    assert response.status_code == 412


def test_the_subject_must_be_there(ehr: Caller) -> None:
    assert ehr.put(observation(f"Patient/{new_id('nobody')}")).status_code == 400


def test_a_supporting_information_may_dangle(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    request = {
        "resourceType": "ServiceRequest",
        "id": new_id("request"),
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{person['id']}"},
        "supportingInfo": [{"reference": f"Observation/{new_id('nothing')}"}],
    }
    assert ehr.put(request).status_code == 201


def test_a_versioned_reference_loses_its_version(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    score = observation(f"Patient/{person['id']}/_history/1")
    ehr.put(score)
    assert ehr.get(f"Observation/{score['id']}")["subject"]["reference"] == f"Patient/{person['id']}"


@pytest.mark.parametrize(
    "wrong",
    [{"gender": "lady"}, {"birthDate": "1970-13-01"}, {"id": "another-id"}],
    ids=["code", "date", "id that is not the URL's"],
)
def test_an_unknown_code_a_bad_date_and_another_id_are_400(ehr: Caller, wrong: dict[str, Any]) -> None:
    person = patient()
    response = ehr.ask("PUT", f"Patient/{person['id']}", person | wrong)
    assert response.status_code == 400
    assert read(response)["resourceType"] == "OperationOutcome"


def test_the_r4_code_for_a_finished_episode_is_finished(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    episode = {
        "resourceType": "EpisodeOfCare",
        "id": new_id("episode"),
        "status": "completed",
        "patient": {"reference": f"Patient/{person['id']}"},
    }
    assert ehr.put(episode).status_code == 400
    assert ehr.put(episode | {"status": "finished"}).status_code == 201


def test_an_unknown_element_is_dropped_without_a_word(ehr: Caller) -> None:
    person = patient()
    assert ehr.put(person | {"favouriteColour": "blue"}).status_code == 201
    assert "favouriteColour" not in ehr.get(f"Patient/{person['id']}")


def test_a_missing_status_is_stored(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    score = observation(f"Patient/{person['id']}")
    del score["status"]
    assert ehr.put(score).status_code == 201


def test_decimals_and_offsets_are_kept_as_sent(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    score = observation(f"Patient/{person['id']}", value="7.10")
    ehr.put(score)
    kept = ehr.ask("GET", f"Observation/{score['id']}")
    assert b"7.10" in kept.content
    assert without_meta(read(kept)) == score


def test_tags_are_added_to_the_old_ones_and_profiles_replaced(ehr: Caller) -> None:
    person = patient()
    first = {"tag": [{"system": "urn:test:tag", "code": "first"}], "profile": ["http://example.org/first"]}
    second = {"tag": [{"system": "urn:test:tag", "code": "second"}], "profile": ["http://example.org/second"]}
    ehr.put(person | {"meta": first})
    ehr.put(person | {"meta": second})
    meta = ehr.get(f"Patient/{person['id']}")["meta"]
    assert {tag["code"] for tag in meta["tag"]} == {"first", "second"}
    assert meta["profile"] == ["http://example.org/second"]


def test_what_was_deleted_is_gone_and_can_be_put_again_as_the_next_version(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    assert ehr.ask("DELETE", f"Patient/{person['id']}").status_code == 200
    gone = ehr.ask("GET", f"Patient/{person['id']}")
    assert gone.status_code == 410
    assert "Location" in gone.headers
    back = ehr.put(person)
    assert (back.status_code, version_of(back)) == (201, "3")


def test_a_second_code_system_with_the_same_url_and_version_is_422(ehr: Caller) -> None:
    first = {
        "resourceType": "CodeSystem",
        "id": new_id("codes"),
        "url": f"http://example.org/{new_id('codes')}",
        "version": "1",
        "status": "active",
        "content": "complete",
    }
    assert ehr.put(first).status_code == 201
    assert ehr.put(first | {"id": new_id("codes")}).status_code == 422


def test_a_read_with_the_current_etag_is_304(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    assert ehr.ask("GET", f"Patient/{person['id']}", If_None_Match='W/"1"').status_code == 304


def test_an_older_version_can_be_read(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    ehr.put(person | {"gender": "other"})
    assert without_meta(ehr.get(f"Patient/{person['id']}/_history/1")) == person
