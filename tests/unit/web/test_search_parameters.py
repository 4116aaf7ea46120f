"""How the values of search parameters are taken apart."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.fhir.search.parameters import SEARCH_TABLE
from fhir_pmp.store.versions.search_query import Search, TokenChoice
from fhir_pmp.web.fhir_api.search_parameters import (
    MAX_COUNT,
    SearchNotUnderstood,
    parse_query,
    read_search,
    split_escaped,
    unescape,
)

ZONE = ZoneInfo("Australia/Sydney")


def _read(type: str, *pairs: tuple[str, str]) -> tuple[Search, bool]:
    return read_search(type, pairs, SEARCH_TABLE.served[type], zone=ZONE, base="https://pain.example/fhir")


def _choices(value: str) -> Sequence[TokenChoice]:
    return _read("Observation", ("code", value))[0].tokens[0].choices


def test_a_token_is_code_or_system_and_code() -> None:
    assert _choices("a") == (TokenChoice(None, "a"),)
    assert _choices("urn:s|a") == (TokenChoice("urn:s", "a"),)
    assert _choices("|a") == (TokenChoice("", "a"),)
    assert _choices("a,|b,s|c") == (TokenChoice(None, "a"), TokenChoice("", "b"), TokenChoice("s", "c"))


def test_escapes_keep_separators_inside_a_value() -> None:
    assert _choices(r"a\,b") == (TokenChoice(None, "a,b"),)
    assert _choices(r"s\|t|a\|b") == (TokenChoice("s|t", "a|b"),)
    assert _choices(r"a\\,b") == (TokenChoice(None, "a\\"), TokenChoice(None, "b"))
    assert _choices(r"\$5") == (TokenChoice(None, "$5"),)


@given(st.lists(st.text(alphabet="ab,|\\$", min_size=1), min_size=1))
def test_whatever_is_escaped_comes_back(values: list[str]) -> None:
    written = ["".join(f"\\{c}" if c in ",|$\\" else c for c in value) for value in values]
    assert [unescape(part) for part in split_escaped(",".join(written), ",")] == values


def test_a_canonical_is_taken_whole() -> None:
    search, _ = _read("QuestionnaireResponse", ("questionnaire", "https://x/Questionnaire/phq9|1"))
    assert search.tokens[0].choices == (TokenChoice("", "https://x/Questionnaire/phq9|1"),)


def test_counts_beyond_the_largest_page_become_it_and_none_counts_only() -> None:
    assert _read("Observation", ("_count", "999999"))[0].count == MAX_COUNT
    assert _read("Observation", ("_count", "0"))[1] is True
    assert _read("Observation")[1] is False


def test_ids_named_twice_must_be_both() -> None:
    assert _read("Observation", ("_id", "a,b"), ("_id", "b,c"))[0].ids == ("b",)
    nothing = _read("Observation", ("_id", "a"), ("_id", "b"))[0].ids
    assert nothing
    assert set(nothing).isdisjoint({"a", "b"})


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(SearchNotUnderstood) as refused:
        _read(
            "Observation", ("date", "x"), ("nonsense", "y"), ("code", ""), ("_sort", "code"), ("_count", "x")
        )
    assert [fault.field for fault in refused.value.faults] == ["date", "nonsense", "code", "_sort", "_count"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["code", "date", "patient", "_id", "_sort", "_count", "x"]), st.text())
    )
)
def test_any_values_are_read_or_refused_and_never_repeated(pairs: list[tuple[str, str]]) -> None:
    marked = [(name, f"{value}canary{value}") for name, value in pairs]
    try:
        _read("Observation", *marked)
    except SearchNotUnderstood as refused:
        assert "canary" not in str(refused)


def test_an_address_must_be_utf8_and_not_endless() -> None:
    assert parse_query(b"a=%C3%A9&b=&a=+") == [("a", "é"), ("b", ""), ("a", " ")]
    for wrong in (b"a=%FF", b"a=\xe9", b"&".join(b"a=1" for _ in range(101))):
        with pytest.raises(SearchNotUnderstood):
            parse_query(wrong)
