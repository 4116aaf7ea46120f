"""Moments, days and tokens survive the way into the database and back, and nothing in a value passes for a mark."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.store.delivery.deliveries import DEFINITIONS_LANE, lane_of
from fhir_pmp.store.engine.bulk import chunked
from fhir_pmp.store.engine.columns import from_milliseconds, to_milliseconds
from fhir_pmp.store.versions.search_tokens import selective_key, selective_keys, tokens_text

TEXT = st.text(st.sampled_from("ab|\x1e\x1f é"), max_size=4)


def test_a_moment_is_kept_to_the_millisecond_whatever_its_offset() -> None:
    sydney = datetime(2026, 4, 5, 2, 30, 0, 999_999, tzinfo=timezone(timedelta(hours=11)))
    assert from_milliseconds(to_milliseconds(sydney)) == datetime(2026, 4, 4, 15, 30, 0, 999_000, tzinfo=UTC)
    assert to_milliseconds(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert (
        to_milliseconds(datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC)) == -1
    )  # down, not towards zero


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        to_milliseconds(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=4))
def test_tokens_lie_apart_and_those_with_our_marks_are_left_out(tokens: list[tuple[str, str, str]]) -> None:
    clean = [t for t in tokens if not any(mark in part for part in t for mark in "\x1e\x1f")]
    wholes = tokens_text(tokens).split("\x1e")
    assert wholes[0] == wholes[-1] == ""
    assert [tuple(whole.split("\x1f")) for whole in wholes[1:-1]] == [
        (name, value, system) for name, system, value in clean
    ]


def test_only_selective_tokens_have_a_key() -> None:
    text = tokens_text([("code", "s", "1"), ("identifier", "s", "v"), ("url", "", "http://x")])
    assert selective_keys(text) == [selective_key("identifier", "v"), selective_key("url", "http://x")]
    assert selective_key("identifier", "v") != selective_key("url", "v")
    assert -(2**63) <= selective_key("identifier", "v") < 2**63


def test_handfuls_lose_and_repeat_nothing() -> None:
    assert [list(chunk) for chunk in chunked(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert list(chunked([], 2)) == []


@pytest.mark.parametrize(
    ("type", "person", "lane"),
    [
        ("Observation", "patient-1", "patient-1"),
        ("Patient", "patient-1", "patient-1"),
        ("Practitioner", "patient-1", DEFINITIONS_LANE),
        ("Organization", None, DEFINITIONS_LANE),
        ("Questionnaire", None, DEFINITIONS_LANE),
    ],
)
def test_what_many_refer_to_has_a_lane_of_its_own(type: str, person: str | None, lane: str) -> None:
    assert lane_of(type, person) == lane
