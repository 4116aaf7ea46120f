"""A letter's Bundle is complete in itself, its Composition first; its DocumentReference holds the bytes that were signed."""

import base64
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from fhir_pmp.fhir.documents.document_bundle import DocumentIncomplete, build_document_bundle
from fhir_pmp.fhir.documents.document_reference import build_document_reference
from fhir_pmp.fhir.elements.narrative import BulletList, Paragraph, Table, build_narrative
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.serialization.rendered_resource import local_references
from fhir_pmp.pathway.facts import Sharing
from tests.unit.fhir.every_resource import letter, letters, people, referral
from tests.unit.fhir.examples import CLINIC, EPISODE, POSITIVE, build_all

LETTERS = letters()


def bundle() -> dict[str, Any]:
    return read_fhir_json(LETTERS["bundle"].content, max_bytes=10**6)


def test_the_composition_is_first_and_signed_at_its_moment() -> None:
    composition = bundle()["entry"][0]["resource"]
    assert composition["resourceType"] == "Composition"
    assert composition["attester"][0]["time"] == "2026-03-05T03:04:05.000Z" == bundle()["timestamp"]
    assert [one["code"]["coding"][0]["code"] for one in composition["section"]] == ["30954-2", "18776-5"]
    assert bundle()["type"] == "document"


def test_every_reference_within_is_answered_within_and_every_entry_is_there_once() -> None:
    urls = [entry["fullUrl"] for entry in bundle()["entry"]]
    held = {url.removeprefix("https://pmp.example/fhir/") for url in urls}
    assert len(urls) == len(set(urls)) == len(held)
    assert set(local_references(bundle())) <= held
    kinds = {url.split("/")[-2] for url in urls}
    assert kinds == {
        "Composition",
        "Patient",
        "Practitioner",
        "Organization",
        "Observation",
        "QuestionnaireResponse",
    }


def test_an_entry_s_bytes_are_those_that_were_published() -> None:
    score = build_all(POSITIVE)[1]
    assert score.content in LETTERS["bundle"].content


def test_what_is_not_published_keeps_a_letter_back() -> None:
    with pytest.raises(DocumentIncomplete, match="Observation, Organization, Patient, Practitioner"):
        build_document_bundle(CLINIC, letter(), lambda name: None)


def test_the_record_holds_the_signed_bytes_and_their_hash() -> None:
    document = read_fhir_json(LETTERS["document"].content, max_bytes=10**6)
    attachment = document["content"][0]["attachment"]
    assert base64.b64decode(attachment["data"]) == b"%PDF-1.7 ..."
    assert attachment["size"] == len(b"%PDF-1.7 ...")
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(b"%PDF-1.7 ...").digest()
    assert document["authenticator"] == document["author"][0]
    assert {"reference": f"Bundle/{CLINIC.ids.document_bundle_id(letter().id)}"} in document["context"][
        "related"
    ]


def test_a_replacement_points_to_what_it_replaces_and_that_is_superseded() -> None:
    document = read_fhir_json(LETTERS["document"].content, max_bytes=10**6)
    first = CLINIC.ids.document_reference_id(CLINIC.ids.letter_id(EPISODE, "discharge", 1))
    assert document["relatesTo"] == [
        {"code": "replaces", "target": {"reference": f"DocumentReference/{first}"}}
    ]
    superseded = read_fhir_json(LETTERS["superseded document"].content, max_bytes=10**6)
    assert (document["status"], superseded["status"]) == ("current", "superseded")
    assert {**superseded, "status": "current"} == document


def test_a_letter_of_the_referral_side_does_not_point_into_the_record() -> None:
    receipt = replace(letter(), sharing=Sharing.REFERRAL, signed=False, replaces=None, request=None)
    rendered = build_document_reference(CLINIC, receipt, b"x")
    document = read_fhir_json(rendered.content, max_bytes=10**6)
    assert "encounter" not in document["context"]
    assert "authenticator" not in document
    assert rendered.sharing is Sharing.REFERRAL
    known = {
        one.reference: one.content for one in [*people().values(), *referral().values(), *build_all(POSITIVE)]
    }
    receipt = replace(
        receipt, type=None, sections=receipt.sections[1:], author=f"Organization/{CLINIC.provider_id()}"
    )
    built = build_document_bundle(
        CLINIC, receipt, lambda name: known.get(name, b'{"resourceType":"Organization"}')
    )
    composition = read_fhir_json(built.content, max_bytes=10**6)["entry"][0]["resource"]
    assert composition["type"] == {"text": "Outcome letter"}
    assert not {"attester", "relatesTo"} & set(composition)


def test_a_person_s_words_are_never_markup() -> None:
    written = build_narrative(
        (Paragraph("<script>&"), BulletList(("a<b",)), Table(("h>",), (('"c"',),), "&"))
    )["div"]
    assert "<script>" not in written
    assert written == (
        '<div xmlns="http://www.w3.org/1999/xhtml"><p>&lt;script&gt;&amp;</p><ul><li>a&lt;b</li></ul>'
        "<table><caption>&amp;</caption><thead><tr><th>h&gt;</th></tr></thead>"
        "<tbody><tr><td>&quot;c&quot;</td></tr></tbody></table></div>"
    )
    with pytest.raises(ValueError, match="without content"):
        build_narrative(())
