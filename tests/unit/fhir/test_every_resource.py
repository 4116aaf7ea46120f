"""Whatever we publish is strict JSON and FHIR R4, in one spelling, and names nothing that is not defined."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.fhir.terminology.code_system import build_code_systems
from fhir_pmp.fhir.validation.resource_check import check_resource
from tests.r4_schema import find_schema_faults
from tests.unit.fhir.every_resource import every_resource
from tests.unit.fhir.examples import CLINIC

EVERY = every_resource()
OURS = {
    one["url"]: {code["code"]: code["display"] for code in one["concept"]}
    for one in build_code_systems(CLINIC)
}


def content(rendered: RenderedResource) -> dict[str, Any]:
    return read_fhir_json(rendered.content, max_bytes=10**6)


def codings(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if "system" in value and "code" in value:
            yield value
        for member in value.values():
            yield from codings(member)
    elif isinstance(value, list):
        for member in value:
            yield from codings(member)


@pytest.mark.parametrize("name", EVERY)
def test_it_passes_the_strict_reader_the_element_table_the_model_and_the_r4_schema(name: str) -> None:
    resource = content(EVERY[name])
    check_resource(resource)
    assert find_schema_faults(EVERY[name].content) == []
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert write_canonical(resource) == EVERY[name].content


@pytest.mark.parametrize("name", EVERY)
def test_it_opens_with_type_and_id_and_meta_has_its_place_behind_them(name: str) -> None:
    rendered = EVERY[name]
    with_version_meta = rendered.with_version_meta(3, "2026-03-01T00:00:00.000Z")
    assert list(read_fhir_json(with_version_meta, max_bytes=10**6))[:3] == ["resourceType", "id", "meta"]
    assert read_fhir_json(with_version_meta, max_bytes=10**6)["meta"]["versionId"] == "3"
    assert "meta" not in content(rendered)
    assert rendered.id == content(rendered)["id"]
    assert rendered.id[0].isalpha()


def test_every_code_of_ours_is_in_our_code_systems_under_the_same_words() -> None:
    seen = set()
    for rendered in EVERY.values():
        for coding in codings(content(rendered)):
            if coding["system"] in OURS:
                assert coding["display"] == OURS[coding["system"]][coding["code"]]
                seen.add(coding["system"])
    assert seen == set(OURS)


def test_no_reference_is_versioned_and_all_local_ones_are_told() -> None:
    for rendered in EVERY.values():
        assert b"/_history/" not in rendered.content
        if rendered.type != "Bundle":
            written_refs = [
                ref for ref in rendered.refs if f'"reference":"{ref}"'.encode() in rendered.content
            ]
            assert written_refs == list(rendered.refs)
            assert rendered.content.count(b'"reference":"') >= len(rendered.refs)


def test_the_same_facts_give_the_same_bytes() -> None:
    assert {name: one.content for name, one in every_resource().items()} == {
        name: one.content for name, one in EVERY.items()
    }


def test_every_identifier_of_ours_belongs_to_one_resource() -> None:
    owners: dict[tuple[str, str], set[str]] = {}
    for rendered in EVERY.values():
        for token in rendered.tokens:
            if token[0] == "identifier":
                owners.setdefault(token[1:], set()).add(rendered.reference)
    assert all(len(references) == 1 for references in owners.values())
