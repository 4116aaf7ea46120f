"""A stamp is spliced without touching anything else; a clinical date is the span it stands for in the clinic's zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.publishing.clinical_dates import ClinicalDates
from fhir_pmp.publishing.version_meta import format_instant, replace_version_meta
from fhir_pmp.store.engine.columns import to_milliseconds

SYDNEY = ZoneInfo("Australia/Sydney")
# What is written: the first moment of what it stands for, and the first after it, in UTC. Sydney is 11 hours ahead
# in summer, 10 in winter; its clocks went back on 5 April 2026, a day of 25 hours.
SPANS = {
    "2026": ("2025-12-31T13:00:00", "2026-12-31T13:00:00"),
    "2026-12": ("2026-11-30T13:00:00", "2026-12-31T13:00:00"),
    "2026-02": ("2026-01-31T13:00:00", "2026-02-28T13:00:00"),
    "2026-04-05": ("2026-04-04T13:00:00", "2026-04-05T14:00:00"),
    "2026-12-31": ("2026-12-30T13:00:00", "2026-12-31T13:00:00"),
    "9999-12-31": ("9999-12-30T13:00:00", "9999-12-31T13:00:00"),  # others write it for "no end"
    "9999-12": ("9999-11-30T13:00:00", "9999-12-31T13:00:00"),
    "9999": ("9998-12-31T13:00:00", "9999-12-31T13:00:00"),
    "2026-03-01T10:11:12+11:00": ("2026-02-28T23:11:12", "2026-02-28T23:11:13"),
    "2026-03-01T10:11:12Z": ("2026-03-01T10:11:12", "2026-03-01T10:11:13"),
    "2026-03-01T10:11:12.345+11:00": ("2026-02-28T23:11:12.345", "2026-02-28T23:11:12.346"),
}


@pytest.mark.parametrize("text", SPANS)
def test_a_date_stands_for_a_span_of_the_clinics_zone(text: str) -> None:
    expected = tuple(to_milliseconds(datetime.fromisoformat(end).replace(tzinfo=UTC)) for end in SPANS[text])
    assert ClinicalDates(SYDNEY).span_of(text) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13", "2026-02-30", "2026-01-01T10:00:00"])
def test_what_is_no_fhir_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        ClinicalDates(SYDNEY).span_of(text)


def test_an_instant_has_milliseconds_and_says_utc() -> None:
    assert (
        format_instant(to_milliseconds(datetime(2026, 3, 1, 1, 2, 3, 7000, tzinfo=UTC)))
        == "2026-03-01T01:02:03.007Z"
    )


def test_a_new_stamp_replaces_ours_and_nothing_that_looks_like_it() -> None:
    stamp = '"meta":{"versionId":"1","lastUpdated":"1970-01-01T00:00:00.001Z"'
    inner = '"contained":[{"resourceType":"Patient",' + stamp + "}}]"
    content = (
        '{"resourceType":"Bundle","id":"x",' + stamp + ',"profile":["http://p"]},' + inner + "}"
    ).encode()
    again = replace_version_meta(content, (1, 1), (2, 1000))
    head, _, tail = again.partition(b',"profile"')
    assert head.endswith(b'"id":"x","meta":{"versionId":"2","lastUpdated":"1970-01-01T00:00:01.000Z"')
    assert inner.encode() in tail


def test_bytes_under_another_stamp_are_refused() -> None:
    with pytest.raises(ValueError, match="stamp"):
        replace_version_meta(b'{"resourceType":"Patient","id":"x"}', (1, 1), (2, 2))
