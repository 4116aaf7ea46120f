"""Serves FHIR search of one resource type, by GET or POST, page by page."""

from dataclasses import replace
from urllib.parse import urlencode

from flask import Response, request

from fhir_pmp.errors import NotFound
from fhir_pmp.fhir.api_responses.response_bundles import SearchEntry, write_searchset
from fhir_pmp.fhir.search.parameters import SEARCH_TABLE
from fhir_pmp.store.versions.published_versions import Page
from fhir_pmp.store.versions.search_query import PageKey
from fhir_pmp.web.access.callers import client, reader
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.fhir_api.blueprint import fhir_api
from fhir_pmp.web.fhir_api.fhir_responses import base_url, build_fhir_response, check_accept, note_versions
from fhir_pmp.web.fhir_api.next_links import PAGE_PARAMETER, NextPage, decrypt_next_page, encrypt_next_page
from fhir_pmp.web.fhir_api.search_parameters import Pairs, parse_query, read_search, reject_other_parameters
from fhir_pmp.web.request_bodies import read_form_body


class SearchNotSupported(NotFound):
    """Resources of this type cannot be searched here. The caller reads the CapabilityStatement."""


@fhir_api.get("/<fhir_type:type>")
@allow(CallerKind.EHR, CallerKind.PRACTICE, action="query")
def search(type: str) -> Response:
    """Searches by the parameters of the URL."""
    return _answer(type, parse_query(request.query_string))


@fhir_api.post("/<fhir_type:type>/_search")
@allow(CallerKind.EHR, CallerKind.PRACTICE, action="query")
def search_by_post(type: str) -> Response:
    """Searches by the parameters of the body and of the URL.

    FHIR recommends POST for identifiers, because URLs end up in logs.
    """
    return _answer(type, [*parse_query(request.query_string), *parse_query(read_form_body())])


def _answer(type: str, requested: Pairs) -> Response:
    check_accept()
    if type not in SEARCH_TABLE.served:
        raise SearchNotSupported
    type_url = f"{base_url()}/{type}"
    query, after = _resume_search(type, requested)
    wanted, only_count = read_search(
        type, query, SEARCH_TABLE.served[type], zone=web_context().clinic.zone, base=base_url()
    )
    with web_context().store.read() as uow:
        if only_count:
            total = uow.published.count(reader(), wanted)
            return build_fhir_response(write_searchset((), self_url=_link(type_url, requested), total=total))
        page = uow.published.search(reader(), replace(wanted, after=after))
    note_versions(*page.versions)
    entries = [SearchEntry(f"{base_url()}/{one.type}/{one.id}", one.content) for one in page.versions]
    return build_fhir_response(
        write_searchset(
            entries, self_url=_link(type_url, requested), next_url=_next_link(type_url, type, query, page)
        )
    )


def _resume_search(type: str, requested: Pairs) -> tuple[Pairs, PageKey | None]:
    """Returns the original search, and the key of the last row of its previous page."""
    links = [value for name, value in requested if name == PAGE_PARAMETER]
    if not links:
        return requested, None
    reject_other_parameters(requested, (PAGE_PARAMETER,))
    page = decrypt_next_page(links[-1], key=web_context().secret_key, caller=client().id, type=type)
    return page.query, page.after


def _next_link(type_url: str, type: str, query: Pairs, page: Page) -> str | None:
    if page.next is None:
        return None
    encrypted = encrypt_next_page(
        NextPage(tuple(query), page.next), key=web_context().secret_key, caller=client().id, type=type
    )
    return _link(type_url, [(PAGE_PARAMETER, encrypted)])


def _link(type_url: str, pairs: Pairs) -> str:
    return f"{type_url}?{urlencode(pairs)}" if pairs else type_url
