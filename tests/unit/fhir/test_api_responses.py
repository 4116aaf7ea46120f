"""Search pages, transaction responses, OperationOutcome and CapabilityStatement as our FHIR API sends them."""

from datetime import UTC, datetime

import pytest

from fhir_pmp.errors import Fault
from fhir_pmp.fhir.api_responses.capability_statement import ServedType, build_capability_statement
from fhir_pmp.fhir.api_responses.operation_outcome import IssueType, issues_of, write_operation_outcome
from fhir_pmp.fhir.api_responses.response_bundles import (
    EntryResponse,
    SearchEntry,
    write_searchset,
    write_transaction_response,
)
from fhir_pmp.fhir.elements.instants import format_instant
from fhir_pmp.fhir.search.search_keys import date_of, tokens_of
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.validation.resource_check import check_resource
from tests.unit.fhir.examples import CLINIC, POSITIVE, build_all


def test_a_page_carries_the_published_bytes_untouched() -> None:
    with_version_meta = [one.with_version_meta(1, "2026-03-01T00:00:00.000Z") for one in build_all(POSITIVE)]
    page = write_searchset(
        [
            SearchEntry(f"https://pmp.example/fhir/x/{at}", content)
            for at, content in enumerate(with_version_meta)
        ],
        self_url="https://pmp.example/fhir/Observation?code=a%7Cb&_count=3",
        next_url="https://pmp.example/fhir/Observation?page=2",
        total=7,
    )
    for content in with_version_meta:
        assert content in page
    read = read_fhir_json(page, max_bytes=10**6)
    check_resource(read)
    assert [one["relation"] for one in read["link"]] == ["self", "next"]
    assert (read["total"], read["entry"][0]["search"]) == (7, {"mode": "match"})


def test_an_empty_page_has_no_entry() -> None:
    read = read_fhir_json(write_searchset([], self_url="https://pmp.example/fhir/Patient"), max_bytes=1000)
    check_resource(read)
    assert not {"entry", "total"} & set(read)


def test_a_transaction_is_answered_entry_by_entry() -> None:
    answer = write_transaction_response(
        [
            EntryResponse("201 Created", "Task/task-1/_history/1", 'W/"1"', "2026-03-01T00:00:00.000Z"),
            EntryResponse("200 OK", issues=issues_of([Fault("a.b", "is so")], IssueType.INFORMATIONAL)),
        ]
    )
    read = read_fhir_json(answer, max_bytes=10**4)
    check_resource(read)
    assert read["entry"][0]["response"] == {
        "status": "201 Created",
        "location": "Task/task-1/_history/1",
        "etag": 'W/"1"',
        "lastModified": "2026-03-01T00:00:00.000Z",
    }
    assert read["entry"][1]["response"]["outcome"]["issue"][0]["expression"] == ["a.b"]


@pytest.mark.parametrize("code", IssueType)
def test_an_outcome_tells_path_and_truth(code: IssueType) -> None:
    read = read_fhir_json(write_operation_outcome(issues_of([Fault("", "is so")], code)), max_bytes=1000)
    check_resource(read)
    assert read["issue"] == [{"severity": "error", "code": code.value, "diagnostics": "is so"}]


def test_an_outcome_without_an_issue_says_nothing() -> None:
    with pytest.raises(ValueError, match="says nothing"):
        write_operation_outcome([])


def test_the_capability_statement_is_fhir() -> None:
    statement = build_capability_statement(
        CLINIC,
        [
            ServedType("Observation", ("read", "vread", "search-type"), (("code", "token"),)),
            ServedType("Task", ("read",)),
        ],
        base_url="https://pmp.example/fhir",
        software_version="0.1.0",
        date="2026-03-01",
    )
    read = read_fhir_json(write_canonical(statement), max_bytes=10**5)
    check_resource(read)
    assert [one["readHistory"] for one in read["rest"][0]["resource"]] == [True, False]


def test_an_instant_is_in_utc_with_milliseconds_and_never_without_a_zone() -> None:
    assert format_instant(datetime(2026, 3, 1, 1, 2, 3, 456789, tzinfo=UTC)) == "2026-03-01T01:02:03.456Z"
    with pytest.raises(ValueError, match="without a zone"):
        format_instant(datetime(2026, 3, 1))  # noqa: DTZ001


def test_a_resource_is_found_by_what_it_says() -> None:
    response, score, _ = build_all(POSITIVE)
    assert score.date_text == POSITIVE.authored.text == response.date_text
    assert ("code", "http://loinc.org", "44261-6") in score.tokens
    assert ("questionnaire", "", "https://pmp.example/fhir/Questionnaire/phq9") in response.tokens
    assert ("questionnaire", "", "https://pmp.example/fhir/Questionnaire/phq9|1") in response.tokens
    assert tokens_of(
        {"resourceType": "Questionnaire", "code": [{"system": "s", "code": "c"}], "url": "u"}
    ) == (
        ("code", "s", "c"),
        ("url", "", "u"),
    )
    assert date_of({"resourceType": "Patient", "birthDate": "1970-01-01"}) is None
    assert date_of({"resourceType": "Flag", "period": {"end": "2026"}}) is None
