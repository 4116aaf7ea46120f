"""A referral is read whole or refused by its paths; a repeat is known by what it says, not by how it is labelled."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.referral.referral_bundle import ModifierNotKnown, NotAReferral, read_referral_bundle
from fhir_pmp.fhir.validation.resource_check import NotFhir
from fhir_pmp.identifiers import Identifier, ResourceId
from fhir_pmp.pathway.facts import Sex
from tests.unit.fhir.referral.gp_bundle import entry, gp_bundle, resource

Change = Callable[[dict[str, Any]], object]


def test_a_referral_is_read_whole() -> None:
    referral = read_referral_bundle(gp_bundle())
    assert referral.service_request_identifier == Identifier("https://gp.example/requests", "R1")
    assert referral.task_identifier == Identifier("https://gp.example/tasks", "T1")
    assert referral.patient_identifiers == (
        Identifier("http://ns.electronichealth.net.au/id/medicare-number", "2953000001"),
    )
    assert (referral.given, referral.family) == ("Ada May", "Canary")
    assert (referral.birth_date, referral.sex) == (date(1970, 2, 28), Sex.FEMALE)
    assert referral.authored_on == date(2026, 1, 5)
    assert referral.reason == "Low back pain for 3 years; Sleep"
    assert referral.requester.practitioner_name == "Dr Grace Example"
    assert referral.requester.organization_name == "Harbour Street Practice"
    assert [one.type for one in referral.others] == [
        "Practitioner",
        "Organization",
        "PractitionerRole",
        "Condition",
    ]
    assert [one.position for one in referral.entries] == list(range(7))


def test_references_follow_the_ids_we_give() -> None:
    referral = read_referral_bundle(gp_bundle())
    own_references = referral.resources_under_own_ids(
        {one.position: ResourceId(f"x-{one.position}") for one in referral.entries}
    )
    assert [own_references[at]["id"] for at in range(7)] == [f"x-{at}" for at in range(7)]
    assert own_references[1]["subject"] == {"reference": "Patient/x-0"}
    assert own_references[2]["focus"] == {"reference": "ServiceRequest/x-1"}
    assert own_references[0]["generalPractitioner"] == [{"reference": "PractitionerRole/x-5"}]
    assert own_references[6]["asserter"] == {"reference": "#c1"}
    assert own_references[2]["owner"] == {"reference": "https://pmp.example/fhir/Organization/x"}
    assert referral.patient.resource["id"] == "p1"  # what was sent is not touched


def test_relative_references_mean_the_server_that_the_full_urls_name() -> None:
    bundle = gp_bundle()
    bundle["entry"][0]["fullUrl"] = "https://gp.example/fhir/Patient/77"
    for kind, element in (("ServiceRequest", "subject"), ("Task", "for"), ("Condition", "subject")):
        resource(bundle, kind)[element] = {"reference": "Patient/77"}
    referral = read_referral_bundle(bundle)
    own_references = referral.resources_under_own_ids(
        {one.position: ResourceId(f"x-{one.position}") for one in referral.entries}
    )
    assert own_references[1]["subject"] == {"reference": "Patient/x-0"}


def _set(kind: str, name: str, value: object) -> Change:
    return lambda bundle: resource(bundle, kind).__setitem__(name, value)


def _drop(kind: str, name: str) -> Change:
    return lambda bundle: resource(bundle, kind).pop(name)


def _request(position: int, name: str, value: str) -> Change:
    return lambda bundle: bundle["entry"][position]["request"].__setitem__(name, value)


def _again(kind: str) -> Change:
    return lambda bundle: bundle["entry"].append(
        entry("urn:uuid:again", {**resource(bundle, kind), "identifier": [{"system": "s", "value": "other"}]})
    )


def _without(kind: str) -> Change:
    return lambda bundle: bundle.__setitem__(
        "entry", [one for one in bundle["entry"] if one["resource"]["resourceType"] != kind]
    )


REFUSED: dict[str, tuple[Change, type[NotUnderstood], str]] = {
    "another resource": (lambda b: b.__setitem__("resourceType", "Patient"), NotAReferral, "resourceType"),
    "a batch": (lambda b: b.__setitem__("type", "batch"), NotAReferral, "Bundle.type"),
    "no entry": (lambda b: b.pop("entry"), NotAReferral, "Bundle.entry"),
    "an entry without a resource": (
        lambda b: b["entry"].append({"request": {"method": "POST", "url": "Task"}}),
        NotAReferral,
        "Bundle.entry[7].resource",
    ),
    "two patients": (_again("Patient"), NotAReferral, "Bundle.entry"),
    "two requests": (_again("ServiceRequest"), NotAReferral, "Bundle.entry"),
    "two tasks": (_again("Task"), NotAReferral, "Bundle.entry"),
    "no task": (_without("Task"), NotAReferral, "Bundle.entry"),
    "a patient without an identifier": (
        _drop("Patient", "identifier"),
        NotAReferral,
        "Bundle.entry[0].resource.identifier",
    ),
    "a request without a system": (
        _set("ServiceRequest", "identifier", [{"value": "R1"}]),
        NotAReferral,
        "Bundle.entry[1].resource.identifier",
    ),
    "a task without an identifier": (
        _drop("Task", "identifier"),
        NotAReferral,
        "Bundle.entry[2].resource.identifier",
    ),
    "a task that is under way": (
        _set("Task", "status", "in-progress"),
        NotAReferral,
        "Bundle.entry[2].resource.status",
    ),
    "a task about something else": (
        _set("Task", "focus", {"reference": "urn:uuid:70"}),
        NotAReferral,
        "Bundle.entry[2].resource.focus",
    ),
    "a task for somebody else": (
        _set("Task", "for", {"display": "CANARY"}),
        NotAReferral,
        "Bundle.entry[2].resource.for",
    ),
    "a request about somebody else": (
        _set("ServiceRequest", "subject", {"reference": "https://gp.example/fhir/Patient/9"}),
        NotAReferral,
        "Bundle.entry[1].resource.subject",
    ),
    "a request that is revoked": (
        _set("ServiceRequest", "status", "revoked"),
        NotAReferral,
        "Bundle.entry[1].resource.status",
    ),
    "a patient without a family name": (
        _set("Patient", "name", [{"given": ["CANARY"]}]),
        NotAReferral,
        "Bundle.entry[0].resource.name",
    ),
    "a year of birth": (
        _set("Patient", "birthDate", "1970"),
        NotAReferral,
        "Bundle.entry[0].resource.birthDate",
    ),
    "a reference to nothing": (
        _set("Condition", "recorder", {"reference": "urn:uuid:nobody"}),
        NotAReferral,
        "Bundle.entry[6].resource.recorder.reference",
    ),
    "a search in place of a reference": (
        _set("Condition", "recorder", {"reference": "Practitioner?identifier=CANARY"}),
        NotAReferral,
        "Bundle.entry[6].resource.recorder.reference",
    ),
    "a PUT": (_request(3, "method", "PUT"), NotAReferral, "Bundle.entry[3].request.method"),
    "a POST elsewhere": (_request(3, "url", "Patient"), NotAReferral, "Bundle.entry[3].request.url"),
    "one fullUrl for two": (
        lambda b: b["entry"][4].__setitem__("fullUrl", "urn:uuid:4d"),
        NotAReferral,
        "Bundle.entry[4].fullUrl",
    ),
    "a modifier": (
        _set("ServiceRequest", "modifierExtension", [{"url": "http://x.example/not", "valueBoolean": True}]),
        ModifierNotKnown,
        "Bundle.entry[1].resource.modifierExtension",
    ),
    "rules of its own": (
        _set("Task", "implicitRules", "http://x.example/rules"),
        ModifierNotKnown,
        "Bundle.entry[2].resource.implicitRules",
    ),
    "an unknown element": (
        _set("Patient", "favourite", "CANARY"),
        NotFhir,
        "Bundle.entry[0].resource.favourite",
    ),
    "an unknown type": (
        _set("Condition", "resourceType", "Canary"),
        NotFhir,
        "Bundle.entry[6].resource.resourceType",
    ),
    "a status FHIR does not have": (
        _set("Task", "status", "CANARY"),
        NotFhir,
        "Bundle.entry[2].resource.status",
    ),
    "a day there never was": (
        _set("Patient", "birthDate", "1970-02-30"),
        NotFhir,
        "Bundle.entry[0].resource.birthDate",
    ),
    "a number for a string": (
        _set("Patient", "birthDate", 1970),
        NotFhir,
        "Bundle.entry[0].resource.birthDate",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_its_path_and_without_its_values(case: str) -> None:
    change, kind, path = REFUSED[case]
    bundle = gp_bundle()
    change(bundle)
    with pytest.raises(kind) as refused:
        read_referral_bundle(bundle)
    assert path in [fault.field for fault in refused.value.faults]
    assert "CANARY" not in str(refused.value)
    assert "Canary" not in str(refused.value)


def test_every_fault_is_told_in_one_go() -> None:
    bundle = gp_bundle()
    for change in ("a task that is under way", "a year of birth", "a PUT"):
        REFUSED[change][0](bundle)
    with pytest.raises(NotAReferral) as refused:
        read_referral_bundle(bundle)
    assert len(refused.value.faults) == 3


def test_a_reference_to_a_resource_of_ours_is_known_when_we_name_it() -> None:
    bundle = gp_bundle()
    resource(bundle, "Task")["owner"] = {"reference": "Organization/organization-ours"}
    with pytest.raises(NotAReferral):
        read_referral_bundle(bundle)
    assert read_referral_bundle(bundle, own_references={"Organization/organization-ours"})


def test_a_repeat_is_known_whatever_its_labels_and_order() -> None:
    first = read_referral_bundle(gp_bundle()).fingerprint
    text = json.dumps(gp_bundle()).replace("urn:uuid:", "urn:uuid:ff")
    again: dict[str, Any] = json.loads(text)
    again["entry"].reverse()
    resource(again, "Patient")["id"] = "p2"
    resource(again, "Patient")["meta"] = {"versionId": "9"}
    resource(again, "Patient")["text"] = {"status": "generated", "div": "<div>x</div>"}
    assert read_referral_bundle(again).fingerprint == first


@pytest.mark.parametrize(
    "change",
    [
        _set("ServiceRequest", "reasonCode", [{"text": "Another reason"}]),
        _set("Patient", "birthDate", "1970-02-27"),
        _set("Condition", "code", {"text": "Something else"}),
        _without("Condition"),
    ],
)
def test_other_clinical_content_is_no_repeat(change: Change) -> None:
    bundle = gp_bundle()
    change(bundle)
    if not any(one["resource"]["resourceType"] == "Condition" for one in bundle["entry"]):
        resource(bundle, "ServiceRequest").pop("reasonReference")
    assert read_referral_bundle(bundle).fingerprint != read_referral_bundle(gp_bundle()).fingerprint


def test_a_referral_without_names_leaves_them_unknown() -> None:
    bundle = gp_bundle()
    resource(bundle, "ServiceRequest").pop("requester")
    resource(bundle, "ServiceRequest").pop("reasonCode")
    resource(bundle, "ServiceRequest").pop("authoredOn")
    resource(bundle, "Patient").pop("gender")
    referral = read_referral_bundle(bundle)
    assert (referral.requester.organization, referral.requester.practitioner_name) == (None, None)
    assert (referral.reason, referral.authored_on, referral.sex) == (None, None, Sex.UNKNOWN)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([{"text": "Dr G. Example"}], "Dr G. Example"),
        ([{"use": "old"}, {"family": "Example", "given": ["Grace"]}], "Grace Example"),
        ([{"use": "old"}], None),
    ],
)
def test_a_practitioner_is_named_as_the_practice_names_them(
    names: list[dict[str, Any]], expected: str | None
) -> None:
    bundle = gp_bundle()
    resource(bundle, "Practitioner")["name"] = names
    assert read_referral_bundle(bundle).requester.practitioner_name == expected


def test_two_entries_that_are_one_thing_are_refused_and_unnamed_ones_are_told_apart() -> None:
    bundle = gp_bundle()
    bundle["entry"].append(entry("urn:uuid:aa", {"resourceType": "Organization", "name": "Another"}))
    organizations = [one for one in read_referral_bundle(bundle).others if one.type == "Organization"]
    assert [one.key for one in organizations] == ["1", "2"]
    bundle["entry"].append(entry("urn:uuid:bb", resource(bundle, "Practitioner")))
    with pytest.raises(NotAReferral, match="that of another Practitioner"):
        read_referral_bundle(bundle)


def test_a_reason_without_words_is_none() -> None:
    bundle = gp_bundle()
    resource(bundle, "ServiceRequest")["reasonCode"] = [
        {"coding": [{"system": "http://s.example", "code": "1"}]}
    ]
    assert read_referral_bundle(bundle).reason is None


def test_an_entry_without_a_full_url_is_known_by_its_id() -> None:
    bundle = gp_bundle()
    del bundle["entry"][4]["fullUrl"]
    resource(bundle, "Organization")["id"] = "o1"
    resource(bundle, "PractitionerRole")["organization"] = {"reference": "Organization/o1"}
    assert read_referral_bundle(bundle).requester.organization_name == "Harbour Street Practice"
