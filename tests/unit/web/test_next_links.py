"""Next links: what goes in comes out for the same caller, and for nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.store.versions.search_query import PageKey
from fhir_pmp.web.fhir_api.next_links import InvalidNextLink, NextPage, decrypt_next_page, encrypt_next_page

KEY = b"k" * 32
PAGE = NextPage((("identifier", "urn:medicare|2951000001"), ("_count", "2")), PageKey(17, 16, "patient-1"))


@given(st.lists(st.tuples(st.text(), st.text())), st.integers(0, 2**62), st.integers(0, 2**62), st.text())
def test_what_is_sealed_comes_back(query: list[tuple[str, str]], snapshot: int, by: int, id: str) -> None:
    page = NextPage(tuple(query), PageKey(snapshot, by, id))
    assert (
        decrypt_next_page(
            encrypt_next_page(page, key=KEY, caller="ehr", type="Patient"),
            key=KEY,
            caller="ehr",
            type="Patient",
        )
        == page
    )


def test_a_link_shows_nothing_and_never_looks_the_same() -> None:
    links = {encrypt_next_page(PAGE, key=KEY, caller="ehr", type="Patient") for _ in range(5)}
    assert len(links) == 5
    assert all(link.replace("-", "").replace("_", "").isalnum() for link in links)


def test_another_caller_type_or_key_cannot_open_it() -> None:
    link = encrypt_next_page(PAGE, key=KEY, caller="ehr", type="Patient")
    for other in ({"caller": "rival"}, {"type": "Task"}, {"key": b"x" * 32}):
        with pytest.raises(InvalidNextLink):
            decrypt_next_page(link, **{"key": KEY, "caller": "ehr", "type": "Patient", **other})  # type: ignore[arg-type]


@given(st.text())
def test_what_we_did_not_seal_is_refused(text: str) -> None:
    with pytest.raises(InvalidNextLink):
        decrypt_next_page(text, key=KEY, caller="ehr", type="Patient")
