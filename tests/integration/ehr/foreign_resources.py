"""Somebody else's resources at an EHR, under the ids that ours had there before."""

from collections import Counter
from collections.abc import Mapping

from tests.integration.ehr.pull_and_reconcile import reconcile
from tests.integration.ehr.sample_resources import HOSPITAL
from tests.integration.ehr.sync_harness import EhrObserver, Resource, SyncHarness

TYPES = ("Organization", "Patient", "QuestionnaireResponse", "Observation", "Bundle")


def remote_references_of_ours(harness: SyncHarness) -> dict[str, str]:
    """Where the server has put each of ours, by our `Type/id`."""
    with harness.store.read() as uow:
        links = uow.remote_ids.find_many(HOSPITAL, {d.reference for d in harness.deliveries()})
    return {ours: link.remote_reference for ours, link in links.items()}


def take_over_ids(places: Mapping[str, str], ehr: EhrObserver) -> dict[str, Resource]:
    """Makes another's resources until each of these places is one of theirs; what stands there, by place."""
    kinds = {int(place.partition("/")[2]): place.partition("/")[0] for place in places.values()}
    made: dict[str, Resource] = {}
    number = min(kinds) - 1
    while number < max(kinds):
        kind = kinds.get(number + 1, "Organization")
        answer = ehr.ask("POST", kind, _foreign_resource(kind, number))
        assert answer.status_code == 201, answer.text
        number = int(answer.json()["id"])
        made[f"{kind}/{number}"] = ehr.get(f"{kind}/{number}")
    assert set(places.values()) <= set(made), (places, sorted(made))
    return made


def counted_by_identifier(ehr: EhrObserver) -> Counter[tuple[str, str, str]]:
    """How many there are of each type and identifier."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for kind in TYPES:
        for resource in ehr.all(kind):
            held = resource.get("identifier", [])
            for one in held if isinstance(held, list) else [held]:
                counts[kind, one["system"], one["value"]] += 1
    return counts


def assert_untouched(ehr: EhrObserver, foreign: dict[str, Resource]) -> None:
    """What is another's stands as they wrote it, and nothing of ours refers to it."""
    for place, stood in foreign.items():
        assert ehr.get(place) == stood
    for kind in ("Observation", "QuestionnaireResponse"):
        for resource in ehr.all(kind):
            if f"{kind}/{resource['id']}" not in foreign:
                assert resource["subject"]["reference"] not in foreign


def assert_everything_once(
    sent: SyncHarness, ehr: EhrObserver, foreign: dict[str, Resource], wanted: int
) -> None:
    """Everything of ours is there once, of the right person, and our books know where."""
    assert sent.work_items() == []
    found = counted_by_identifier(ehr)
    assert set(found.values()) == {1}
    assert len(found) == wanted
    patients = {
        p["identifier"][0]["value"]: f"Patient/{p['id']}" for p in ehr.all("Patient") if "identifier" in p
    }
    for kind in ("Observation", "QuestionnaireResponse"):
        for resource in ehr.all(kind):
            if f"{kind}/{resource['id']}" in foreign:
                continue
            held = resource["identifier"]
            value = (held[0] if isinstance(held, list) else held)["value"]
            assert resource["subject"]["reference"] == patients[f"m{value.partition('-')[0]}"]
    assert not set(remote_references_of_ours(sent).values()) & set(foreign)
    assert reconcile(sent).counts == {"equal": wanted}


def values_of(ehr: EhrObserver, identifier: str) -> list[str]:
    """The values of the scores that bear this identifier."""
    return [
        str(o["valueQuantity"]["value"])
        for o in ehr.all("Observation")
        if any(i["value"] == identifier for i in o.get("identifier", []))
    ]


def _foreign_resource(kind: str, number: int) -> Resource:
    """Valid, of nobody we know, and without an identifier of ours."""
    more: dict[str, Resource] = {
        "Organization": {"name": "a stranger's ward"},
        "Patient": {"name": [{"family": "a stranger"}], "birthDate": "1950-01-01"},
        "QuestionnaireResponse": {"status": "completed", "authored": "2026-01-01"},
        "Observation": {"status": "final", "code": {"text": "of a stranger"}, "valueString": str(number)},
        "Bundle": {"type": "collection"},
    }
    note = {"QuestionnaireResponse": {"text": {"status": "generated", "div": _DIV}}}.get(kind, {})
    return {"resourceType": kind, **more[kind], **note}


_DIV = '<div xmlns="http://www.w3.org/1999/xhtml">of a stranger</div>'
