"""The check that looks at an EHR from outside sees what is missing, doubled or different."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.contract.ehr.fhir_caller import Caller, Resource, new_id, observation, patient
from tests.ehr_comparison import Key, business_key_of, check, latest_sent_by_key
from tests.stub_ehr.json_text import to_json


def sent(*resources: Resource) -> Mapping[Key, Mapping[str, Any]]:
    return latest_sent_by_key((r["resourceType"], r["id"], 1, to_json(r)) for r in resources)


def test_what_is_there_once_and_equal_is_clean(ehr_of_ours: Caller) -> None:
    ehr = ehr_of_ours
    person = patient()
    scores = [observation(f"Patient/{person['id']}") for _ in range(3)]
    for resource in (person, *scores):
        assert ehr.put(resource).status_code == 201
    report = check(ehr.address, sent(person, *scores))
    assert report.is_clean
    assert report.found == {"Patient": 1, "Observation": 3}


def test_what_is_missing_doubled_or_different_is_named(ehr_of_ours: Caller) -> None:
    ehr = ehr_of_ours
    person, other, changed = patient(), patient(), patient()
    score = observation(f"Patient/{person['id']}", value="7.10")
    never = patient()
    for resource in (person, other, changed, score):
        ehr.put(resource)
    ehr.put(other | {"id": new_id("person")})
    ehr.put(changed | {"gender": "other"})
    rounded = score | {"valueQuantity": {"value": Decimal("7.1"), "unit": "{score}"}}
    report = check(ehr.address, sent(person, other, changed, rounded, never))
    assert report.missing == [business_key_of(never)]
    assert report.duplicated == [business_key_of(other)]
    assert report.different == [business_key_of(changed), business_key_of(rounded)]
    assert not report.is_clean
