"""The recipe of DEVELOPERS.md: one entry in the table makes a parameter stored, searchable and stated."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from fhir_pmp.fhir.search.parameters import SEARCH_PARAMETERS, Element, SearchParameter, SearchTable
from fhir_pmp.fhir.search.search_keys import date_of, tokens_of
from fhir_pmp.fhir.serialization.rendered_resource import render
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store
from fhir_pmp.store.versions.read_scope import Reader
from fhir_pmp.web.fhir_api.search_parameters import read_search
from fhir_pmp.web.fhir_api.supported_types import list_supported_types

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FORMAT = SearchParameter("format", Element.CONCEPT, "content.format")
SERVED_DATE = SearchParameter("date", Element.DATE, "date")


def _documents() -> list[dict[str, object]]:
    return [
        {
            "resourceType": "DocumentReference",
            "id": f"document-{code}",
            "status": "current",
            "date": f"2026-0{month}-01",
            "content": [{"format": {"system": "urn:formats", "code": code}}],
        }
        for month, code in enumerate(("pdf", "xml"), start=1)
    ]


def test_one_entry_is_stored_searched_by_and_stated(store: Store, publisher: Publisher) -> None:
    kept = [entry for entry in SEARCH_PARAMETERS["DocumentReference"] if entry.name != "date"]
    table = SearchTable({**SEARCH_PARAMETERS, "DocumentReference": [*kept, SERVED_DATE, FORMAT]})

    stated = next(one for one in list_supported_types(table) if one.type == "DocumentReference")
    assert {("format", "token"), ("date", "date")} <= set(stated.search_params)

    with store.begin() as uow:
        publisher.publish(
            uow,
            [
                replace(
                    render(document, sharing=Sharing.DEFINITION),
                    tokens=tokens_of(document, table),
                    date_text=date_of(document, table),
                )
                for document in _documents()
            ],
            now=NOW,
        )

    def search(*query: tuple[str, str]) -> list[str]:
        wanted, _ = read_search(
            "DocumentReference",
            query,
            table.served["DocumentReference"],
            zone=ZoneInfo("Australia/Sydney"),
            base="https://pain.example/fhir",
        )
        with store.read() as uow:
            return [version.id for version in uow.published.search(Reader.internal(), wanted).versions]

    assert search(("format", "urn:formats|xml")) == ["document-xml"]
    assert search(("format", "pdf")) == ["document-pdf"]
    assert search(("format", "urn:other|pdf")) == []
    assert search(("date", "ge2026-02")) == ["document-xml"]
    assert search(("_sort", "-date")) == ["document-xml", "document-pdf"]
