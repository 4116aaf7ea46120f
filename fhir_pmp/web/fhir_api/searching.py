"""Search of one resource type, by GET or by POST, page by page."""

from dataclasses import replace
from urllib.parse import urlencode

from flask import Response, request

from fhir_pmp.errors import NotFound
from fhir_pmp.fhir.bundles import Found, write_searchset
from fhir_pmp.store.published import Page
from fhir_pmp.store.searches import PageKey
from fhir_pmp.web.access.callers import client, reader
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.bodies import form_body
from fhir_pmp.web.desk import desk
from fhir_pmp.web.fhir_api.blueprint import fhir_api
from fhir_pmp.web.fhir_api.next_links import PARAMETER, NextPage, seal, unseal
from fhir_pmp.web.fhir_api.parameters import Pairs, only, read_pairs, read_search
from fhir_pmp.web.fhir_api.served import SEARCHED
from fhir_pmp.web.fhir_api.serving import base_url, check_accept, note_versions, serve


class NotSearched(NotFound):
    """Resources of this type are not searched here. The caller reads the CapabilityStatement."""


@fhir_api.get("/<fhir_type:type>")
@may(Visitor.EHR, Visitor.PRACTICE, action="query")
def search(type: str) -> Response:
    """A search by the parameters of the address."""
    return _answer(type, read_pairs(request.query_string))


@fhir_api.post("/<fhir_type:type>/_search")
@may(Visitor.EHR, Visitor.PRACTICE, action="query")
def search_by_post(type: str) -> Response:
    """A search by the parameters of the body and of the address: identifiers in addresses end up in logs."""
    return _answer(type, [*read_pairs(request.query_string), *read_pairs(form_body())])


def _answer(type: str, asked: Pairs) -> Response:
    check_accept()
    if type not in SEARCHED:
        raise NotSearched
    here = f"{base_url()}/{type}"
    query, after = _continued(type, asked)
    wanted, only_count = read_search(type, query, SEARCHED[type], zone=desk().clinic.zone, base=base_url())
    with desk().store.read() as books:
        if only_count:
            total = books.published.count(reader(), wanted)
            return serve(write_searchset((), self_url=_link(here, asked), total=total))
        page = books.published.search(reader(), replace(wanted, after=after))
    note_versions(*page.versions)
    entries = [Found(f"{base_url()}/{one.type}/{one.id}", one.content) for one in page.versions]
    return serve(
        write_searchset(entries, self_url=_link(here, asked), next_url=_next(here, type, query, page))
    )


def _continued(type: str, asked: Pairs) -> tuple[Pairs, PageKey | None]:
    """The search as it was first asked, and where its last page ended."""
    links = [value for name, value in asked if name == PARAMETER]
    if not links:
        return asked, None
    only(asked, (PARAMETER,))
    page = unseal(links[-1], key=desk().secret_key, caller=client().id, type=type)
    return page.query, page.after


def _next(here: str, type: str, query: Pairs, page: Page) -> str | None:
    if page.next is None:
        return None
    sealed = seal(NextPage(tuple(query), page.next), key=desk().secret_key, caller=client().id, type=type)
    return _link(here, [(PARAMETER, sealed)])


def _link(here: str, pairs: Pairs) -> str:
    return f"{here}?{urlencode(pairs)}" if pairs else here
