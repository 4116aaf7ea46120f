"""Bytes as one destination gets them."""

import pytest

from fhir_pmp.ehr.exchange.rendering import (
    LogicalReference,
    fill_in_server_ids,
    render_for_destination,
    search_query_for,
    transaction_placeholder,
)

SCORE = (
    b'{"resourceType":"Observation","id":"score-1","meta":{"versionId":"2","lastUpdated":"2026-03-01T10:11:12.123Z"},'
    b'"subject":{"reference":"Patient/person-1","display":"she"},'
    b'"derivedFrom":[{"reference":"QuestionnaireResponse/response-1"}],"valueQuantity":{"value":7.10}}'
)
UNSTAMPED = SCORE.replace(b'"meta":{"versionId":"2","lastUpdated":"2026-03-01T10:11:12.123Z"},', b"")


def test_where_nothing_is_called_otherwise_the_bytes_travel_as_published() -> None:
    assert render_for_destination(SCORE, "Observation", "score-1", "score-1", {}) == UNSTAMPED


def test_a_reference_to_the_destinations_patient_is_replaced_and_its_display_kept() -> None:
    sent = render_for_destination(
        SCORE, "Observation", "score-1", "score-1", {"Patient/person-1": "Patient/77"}
    )
    assert sent == UNSTAMPED.replace(b"Patient/person-1", b"Patient/77")


def test_a_reference_to_what_it_does_not_take_becomes_type_and_identifier() -> None:
    logical = LogicalReference("QuestionnaireResponse", {"system": "urn:r", "value": "1"})
    sent = render_for_destination(
        SCORE, "Observation", "score-1", "score-1", {"QuestionnaireResponse/response-1": logical}
    )
    assert (
        b'"derivedFrom":[{"type":"QuestionnaireResponse","identifier":{"system":"urn:r","value":"1"}}]'
        in sent
    )
    assert b'"value":7.10' in sent


def test_the_same_id_in_a_longer_one_is_another_resource() -> None:
    other = SCORE.replace(b"Patient/person-1", b"Patient/person-12")
    sent = render_for_destination(
        other, "Observation", "score-1", "score-1", {"Patient/person-1": "Patient/77"}
    )
    assert b"Patient/person-12" in sent


def test_words_that_look_like_a_reference_stay_words() -> None:
    words = SCORE.replace(b'"display":"she"', b'"display":"Patient/person-1"')
    sent = render_for_destination(
        words, "Observation", "score-1", "score-1", {"Patient/person-1": "Patient/77"}
    )
    assert b'"display":"Patient/person-1"' in sent


def test_a_document_is_never_rewritten() -> None:
    document = b'{"resourceType":"Bundle","id":"document-1","entry":[{"resource":{"subject":{"reference":"Patient/person-1"}}}]}'
    assert (
        render_for_destination(
            document, "Bundle", "document-1", "document-1", {"Patient/person-1": "Patient/77"}
        )
        == document
    )


def test_a_resource_that_the_server_will_name_travels_without_id_and_is_kept_with_it() -> None:
    holder = transaction_placeholder("Patient/person-1")
    sent = render_for_destination(SCORE, "Observation", "score-1", None, {"Patient/person-1": holder})
    assert sent.startswith(b'{"resourceType":"Observation","subject":{"reference":"urn:uuid:')
    kept = fill_in_server_ids(sent, "Observation/90", {holder: "Patient/77"}, had_remote_reference=False)
    assert kept.startswith(b'{"resourceType":"Observation","id":"90","subject":{"reference":"Patient/77"')
    assert b"urn:uuid" not in kept


@pytest.mark.parametrize(
    ("content", "query"),
    [
        (b'{"identifier":[{"system":"urn:a","value":"x|y&z"}]}', "identifier=urn%3Aa%7Cx%7Cy%26z"),
        (b'{"identifier":{"system":"urn:a","value":"1"}}', "identifier=urn%3Aa%7C1"),
        (b'{"identifier":[{"value":"1"},{"system":"urn:b","value":"2"}]}', "identifier=urn%3Ab%7C2"),
        (b'{"url":"http://x/Q","version":"1"}', "url=http%3A%2F%2Fx%2FQ&version=1"),
        (b'{"identifier":[{"value":"1"}]}', None),
        (b'{"status":"final"}', None),
    ],
)
def test_what_a_conditional_write_looks_for(content: bytes, query: str | None) -> None:
    assert search_query_for(content) == query
