"""The schema that tests lean on says no to what it is there for."""

from decimal import Decimal

import pytest

from tests.r4_schema import find_schema_faults

OBSERVATION = {
    "resourceType": "Observation",
    "id": "obs-1",
    "status": "final",
    "code": {"text": "a score"},
    "valueQuantity": {"value": Decimal("7.10"), "code": "{score}"},
}


def test_a_right_observation_has_no_fault() -> None:
    assert find_schema_faults(OBSERVATION) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"status": "zzz"}, "Observation.status"),
        ({"effectiveDateTime": "2026-13-01"}, "Observation.effectiveDateTime"),
        ({"id": "under_score"}, "Observation.id"),
        ({"invented": 1}, "invented"),
        ({"category": {"text": "not a list"}}, "Observation.category"),
        ({"resourceType": "Measurement"}, "resourceType"),
        ({"resourceType": "Quantity"}, "resourceType"),
        (
            {"contained": [{"resourceType": "Patient", "gender": "zzz"}]},
            "Observation.contained.0/Patient.gender",
        ),
    ],
)
def test_a_fault_is_found_and_its_place_named(change: dict[str, object], named: str) -> None:
    faults = find_schema_faults(OBSERVATION | change)
    assert len(faults) == 1
    assert named in faults[0]


def test_each_entry_of_a_bundle_is_asked() -> None:
    entries = [{"resource": OBSERVATION}, {"resource": OBSERVATION | {"status": "zzz"}}]
    faults = find_schema_faults({"resourceType": "Bundle", "type": "collection", "entry": entries})
    assert [fault.partition(":")[0] for fault in faults] == ["Bundle.entry.1.resource/Observation.status"]
