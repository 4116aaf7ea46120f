"""The table of search parameters: usable entries, and what they say of the resources that we publish."""

import orjson
import pytest

from fhir_pmp.fhir.search.parameters import (
    EVERY_TYPE,
    SEARCH_PARAMETERS,
    SEARCH_TABLE,
    Element,
    SearchParameter,
    SearchTable,
)
from fhir_pmp.fhir.search.search_keys import date_of, tokens_of
from tests.unit.fhir.every_resource import every_resource

ENTRIES = [(type, entry) for type, entries in SEARCH_PARAMETERS.items() for entry in entries]


def test_patient_parameter_names_the_person_a_resource_is_published_for() -> None:
    checked = 0
    for rendered in every_resource().values():
        content = orjson.loads(rendered.content)
        for entry in SEARCH_PARAMETERS.get(rendered.type, ()):
            if entry.element is Element.PATIENT and entry.path in content:
                assert content[entry.path]["reference"] == f"Patient/{rendered.person}"
                checked += 1
    assert checked > 50


def test_every_stored_key_belongs_to_an_entry_of_the_table() -> None:
    for rendered in every_resource().values():
        names = {entry.name for entry in SEARCH_TABLE.stored(rendered.type)}
        assert {name for name, _, _ in rendered.tokens} <= names
        assert rendered.date_text is None or SEARCH_TABLE.date_path(rendered.type)


def test_an_entry_is_served_unless_it_gives_a_reason() -> None:
    for type, entry in ENTRIES:
        served = SEARCH_TABLE.served.get(type, {})
        assert (entry.name in served) is (entry.not_served is None)
        assert entry.not_served is None or len(entry.not_served.split()) > 3
    assert all(entry.not_served for entry in EVERY_TYPE)


def test_a_type_without_entries_stores_the_common_elements() -> None:
    condition = {
        "resourceType": "Condition",
        "identifier": [{"value": "1"}],
        "code": {"coding": [{"system": "s", "code": "c"}, {"display": "without a code"}]},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "recordedDate": "2026-01-01",
    }
    assert tokens_of(condition) == (("identifier", "", "1"), ("code", "s", "c"))
    assert date_of(condition) is None
    assert "Condition" not in SEARCH_TABLE.served


def test_values_of_another_type_than_the_entry_names_are_not_stored() -> None:
    bundle = {"resourceType": "Bundle", "type": "document", "status": {"coding": []}, "identifier": "text"}
    assert tokens_of(bundle) == ()


@pytest.mark.parametrize(
    "entries",
    [
        (SearchParameter("a", Element.TEXT, "a"), SearchParameter("a", Element.TEXT, "b")),
        (SearchParameter("a", Element.DATE, "a"), SearchParameter("b", Element.DATE, "b")),
    ],
)
def test_a_table_with_a_name_or_a_date_entered_twice_is_refused(entries: list[SearchParameter]) -> None:
    with pytest.raises(ValueError, match="Task: "):
        SearchTable({"Task": entries})
