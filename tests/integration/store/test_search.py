"""A search finds what bears the tokens and dates asked for, pages it completely, and never shows what may not be seen."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from fhir_pmp.identifiers import ClientId, EpisodeId, PersonId, ResourceId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.versions.read_scope import Reader
from fhir_pmp.store.versions.search_query import (
    PageKey,
    Prefix,
    Search,
    SortKey,
    SpanFilter,
    TokenChoice,
    TokenFilter,
)
from tests.integration.store.sample_records import MINUTE, NOW, add_person, referral, resource

INTERNAL = Reader.internal()
EHR = Reader.ehr(ClientId("hospital"))
PRACTICE_A = Reader.practice(ClientId("practice-a"))
PRACTICE_B = Reader.practice(ClientId("practice-b"))
SYDNEY = ZoneInfo("Australia/Sydney")


def ids(uow: UnitOfWork, reader: Reader, search: Search) -> list[str]:
    return [version.id for version in uow.published.search(reader, search).versions]


def token(name: str, *choices: tuple[str | None, str]) -> TokenFilter:
    return TokenFilter(name, tuple(TokenChoice(*choice) for choice in choices))


def test_tokens_are_found_by_system_and_value_or_by_value_alone(store: Store, publisher: Publisher) -> None:
    loinc, ours = "http://loinc.org", "urn:ours"
    with store.begin() as uow:
        add_person(uow, 1)
        publisher.publish(
            uow,
            [
                resource("o1", tokens=[("code", loinc, "44261-6"), ("code", ours, "phq9")]),
                resource("o2", tokens=[("code", ours, "PHQ9"), ("identifier", "urn:x", "44261-6")]),
                resource("o3", tokens=[("status", "", "final"), ("code", ours, "44261-6")]),
            ],
            now=NOW,
        )
    with store.read() as uow:

        def found(*filters: TokenFilter) -> list[str]:
            return ids(uow, INTERNAL, Search("Observation", tokens=filters))

        assert found(token("code", (loinc, "44261-6"))) == ["o1"]
        assert found(token("code", (None, "44261-6"))) == ["o1", "o3"]
        assert found(token("code", (None, "phq9"))) == ["o1"]  # case counts
        assert found(token("code", (None, "44261"))) == []
        assert found(token("code", (None, "phq9"), (None, "PHQ9"))) == ["o1", "o2"]
        assert found(token("code", (None, "44261-6")), token("status", ("", "final"))) == ["o3"]
        assert found(token("identifier", (None, "44261-6"))) == ["o2"]
        assert found(token("identifier", ("urn:y", "44261-6"))) == []
        assert found(token("identifier", ("urn:x", "44261-6")), token("code", (ours, "PHQ9"))) == ["o2"]


def test_a_token_that_holds_our_separators_forges_no_other(store: Store, publisher: Publisher) -> None:
    forged = "x\x1f\x1e" + "code\x1fsecret\x1f"
    with store.begin() as uow:
        add_person(uow, 1)
        publisher.publish(uow, [resource("o1", tokens=[("status", "", forged)])], now=NOW)
        assert ids(uow, INTERNAL, Search("Observation", tokens=(token("code", (None, "secret")),))) == []


def test_only_the_current_version_is_found(store: Store, publisher: Publisher) -> None:
    first, second = (
        resource("p1", type="Patient", text=text, tokens=[("identifier", "urn:m", text)]) for text in "ab"
    )
    with store.begin() as uow:
        add_person(uow, 1)
        publisher.publish(uow, [first], now=NOW)
    with store.begin() as uow:
        publisher.publish(uow, [second], now=NOW)
    with store.read() as uow:
        assert ids(uow, INTERNAL, Search("Patient", tokens=(token("identifier", ("urn:m", "a")),))) == []
        page = uow.published.search(
            INTERNAL, Search("Patient", tokens=(token("identifier", ("urn:m", "b")),))
        )
        assert [(v.id, v.version) for v in page.versions] == [("p1", 2)]


def day(text: str, zone: ZoneInfo = SYDNEY) -> tuple[datetime, datetime]:
    start = datetime.fromisoformat(text).replace(tzinfo=zone)
    return start, start + timedelta(days=1)


# What stands in each resource; what each comparison with 2026-03-10 in Sydney finds.
DATES = {
    "whole-month": "2026-03",
    "day-before": "2026-03-09",
    "the-day": "2026-03-10",
    "in-the-day": "2026-03-10T08:00:00+11:00",
    "evening-before-elsewhere": "2026-03-09T23:30:00+11:00",
    "early-in-sydney-written-in-utc": "2026-03-09T14:00:00Z",
    "day-after": "2026-03-11",
    "undated": None,
}
FOUND = {
    Prefix.EQ: {"the-day", "in-the-day", "early-in-sydney-written-in-utc"},
    Prefix.NE: {"whole-month", "day-before", "evening-before-elsewhere", "day-after"},
    Prefix.GT: {"whole-month", "day-after"},
    Prefix.GE: {"whole-month", "the-day", "in-the-day", "early-in-sydney-written-in-utc", "day-after"},
    Prefix.LT: {"whole-month", "day-before", "evening-before-elsewhere"},
    Prefix.LE: {
        "whole-month",
        "day-before",
        "evening-before-elsewhere",
        "the-day",
        "in-the-day",
        "early-in-sydney-written-in-utc",
    },
    Prefix.SA: {"day-after"},
    Prefix.EB: {"day-before", "evening-before-elsewhere"},
}


def test_dates_compare_as_spans_in_the_clinics_zone(store: Store, publisher: Publisher) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        publisher.publish(uow, [resource(name, date=text) for name, text in DATES.items()], now=NOW)
        for prefix, expected in FOUND.items():
            span = SpanFilter(prefix, *day("2026-03-10"))
            assert set(ids(uow, INTERNAL, Search("Observation", dates=(span,)))) == expected, prefix


def test_last_updated_compares_as_a_moment(store: Store, publisher: Publisher) -> None:
    for n in range(3):
        with store.begin() as uow:
            if n == 0:
                add_person(uow, 1)
            publisher.publish(uow, [resource(f"o{n}")], now=NOW + n * MINUTE)
    here = (NOW + MINUTE, NOW + MINUTE + timedelta(milliseconds=1))
    expected = {
        Prefix.EQ: ["o1"],
        Prefix.NE: ["o0", "o2"],
        Prefix.GT: ["o2"],
        Prefix.GE: ["o1", "o2"],
        Prefix.LT: ["o0"],
        Prefix.LE: ["o0", "o1"],
        Prefix.SA: ["o2"],
        Prefix.EB: ["o0"],
    }
    with store.read() as uow:
        for prefix, found in expected.items():
            search = Search("Observation", last_updated=(SpanFilter(prefix, *here),))
            assert ids(uow, INTERNAL, search) == found, prefix


@pytest.mark.parametrize("sort", list(SortKey))
@pytest.mark.parametrize("descending", [False, True])
def test_pages_hold_every_match_once_while_data_arrives_changes_and_ties(
    store: Store, publisher: Publisher, sort: SortKey, descending: bool
) -> None:
    dates = [None, "2026-01-01", "2026-01-01", "2026-01-02"]
    with store.begin() as uow:
        add_person(uow, 1)
        batch = [resource(f"o{n:02}", date=dates[n % 4], text="first") for n in range(21)]
        publisher.publish(uow, batch, now=NOW)  # one moment for all: ties everywhere
    seen: list[str] = []
    after: PageKey | None = None
    for turn in range(100):
        with store.read() as uow:
            search = Search("Observation", sort=sort, descending=descending, count=4, after=after)
            page = uow.published.search(INTERNAL, search)
        seen += [v.id for v in page.versions]
        assert all(v.version == 1 for v in page.versions)
        after = page.next
        if after is None:
            break
        with (
            store.begin() as uow
        ):  # between two pages: a new one, and a change of one that was or was not listed
            new = resource(f"new{turn:02}", date="2026-01-01")
            publisher.publish(uow, [new, resource(f"o{(7 * turn) % 21:02}", text=f"{turn}")], now=NOW)
    assert sorted(seen) == [f"o{n:02}" for n in range(21)]
    with store.read() as uow:  # and all that came meanwhile is newer than the listing
        since = datetime.fromtimestamp((page.snapshot + 1) / 1000, UTC)
        newer = Search(
            "Observation", last_updated=(SpanFilter(Prefix.GE, since, since + MINUTE),), count=1000
        )
        news = set(ids(uow, INTERNAL, newer))
        assert {f"new{turn:02}" for turn in range(5)} <= news
        assert news & set(seen)


def test_a_search_by_id_person_and_count(store: Store, publisher: Publisher) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        add_person(uow, 2)
        publisher.publish(uow, [resource(f"o{n}", of=1 + n % 2) for n in range(6)], now=NOW)
        search = Search("Observation", person=PersonId("patient-2"), count=2)
        assert ids(uow, INTERNAL, search) == ["o1", "o3"]
        assert uow.published.count(INTERNAL, search) == 3
        assert ids(uow, INTERNAL, Search("Observation", ids=(ResourceId("o4"), ResourceId("o9")))) == ["o4"]
        assert ids(uow, INTERNAL, Search("Flag", ids=(ResourceId("o4"),))) == []


def _two_people(uow: UnitOfWork, publisher: Publisher) -> dict[str, set[str]]:
    """Two referred people, one sharing, and what each reader may see of them."""
    for n, (client, share) in enumerate([("practice-a", True), ("practice-b", False)], start=1):
        add_person(uow, n, share=share)
        uow.referrals.add(referral(n, client), fingerprint="f", entries=[], inbox=None)
        publisher.publish(
            uow,
            [
                resource(
                    f"patient-{n}",
                    type="Patient",
                    of=n,
                    sharing=Sharing.REFERRAL,
                    owner=client,
                    episode=False,
                ),
                resource(f"request-{n}", type="ServiceRequest", of=n, sharing=Sharing.REFERRAL, owner=client),
                resource(f"task-{n}", type="Task", of=n, sharing=Sharing.REFERRAL, owner=client),
                resource(
                    f"receipt-{n}", type="DocumentReference", of=n, sharing=Sharing.REFERRAL, owner=client
                ),
                resource(f"discharge-{n}", type="DocumentReference", of=n, owner=client),
                resource(f"response-{n}", type="QuestionnaireResponse", of=n),
                resource(f"score-{n}", type="Observation", of=n),
                resource(f"flag-{n}", type="Flag", of=n),
                resource(f"care-{n}", type="EpisodeOfCare", of=n),
            ],
            now=NOW,
        )
    publisher.publish(
        uow, [resource("q1", type="Questionnaire", of=None, sharing=Sharing.DEFINITION)], now=NOW
    )
    side = [{f"{name}-{n}" for name in ("patient", "request", "task", "receipt")} for n in (1, 2)]
    record = [{f"{name}-{n}" for name in ("discharge", "response", "score", "flag", "care")} for n in (1, 2)]
    return {
        "internal": side[0] | side[1] | record[0] | record[1] | {"q1"},
        "ehr": side[0] | side[1] | record[0] | {"q1"},
        "practice-a": side[0] | {"discharge-1", "q1"},
        "practice-b": side[1] | {"q1"},
    }


READERS = {"internal": INTERNAL, "ehr": EHR, "practice-a": PRACTICE_A, "practice-b": PRACTICE_B}


def _everything_read(
    uow: UnitOfWork, reader: Reader, every: Iterable[tuple[str, str]]
) -> dict[str, set[str]]:
    """What a reader gets by each way of reading."""
    types = sorted({type for type, _ in every})
    people = [PersonId("patient-1"), PersonId("patient-2")]
    published = uow.published
    return {
        "find": {id for type, id in every if published.find(reader, type, id)},
        "vread": {id for type, id in every if published.find_version(reader, type, id, 1)},
        "history": {id for type, id in every if published.history(reader, type, id)},
        "find_many": {v.id for v in published.find_many(reader, [f"{t}/{i}" for t, i in every]).values()},
        "search": {id for type in types for id in ids(uow, reader, Search(type, count=99))},
        "by id": {id for type, id in every if ids(uow, reader, Search(type, ids=(ResourceId(id),)))},
        "of a person": {v.id for p in people for v in published.of_person(reader, p)},
    }


@pytest.mark.parametrize("who", READERS)
def test_no_way_of_reading_shows_what_its_reader_may_not_see(
    store: Store, publisher: Publisher, who: str
) -> None:
    with store.begin() as uow:
        expected = _two_people(uow, publisher)
    with store.read() as uow:
        every = [
            (v.type, str(v.id))
            for p in (1, 2)
            for v in uow.published.of_person(INTERNAL, PersonId(f"patient-{p}"))
        ]
        every.append(("Questionnaire", "q1"))
        assert {id for _, id in every} == expected["internal"]
        for way, seen in _everything_read(uow, READERS[who], every).items():
            about_people = expected[who] - {"q1"} if way == "of a person" else expected[who]
            assert seen == about_people, way
        for type in sorted({type for type, _ in every}):
            of_type = {id for t, id in every if t == type} & expected[who]
            assert uow.published.count(READERS[who], Search(type)) == len(of_type)


@pytest.mark.promise("P12")
def test_consent_withdrawn_stops_reads_at_once_also_of_older_versions_and_of_the_rest_of_a_listing(
    store: Store, publisher: Publisher
) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        publisher.publish(uow, [resource("o1", text="a"), resource("o2")], now=NOW)
        publisher.publish(uow, [resource("o1", text="b")], now=NOW)
    with store.read() as uow:
        first = uow.published.search(EHR, Search("Observation", count=1))
        assert len(first.versions) == 1 and first.next is not None
    with store.begin() as uow:
        uow.episodes.set_consent(uow.episodes.get(EpisodeId("episode-1")), False, by="x", now=NOW)
    with store.read() as uow:
        rest = uow.published.search(EHR, Search("Observation", count=1, after=first.next))
        assert rest.versions == ()
        assert uow.published.find_version(EHR, "Observation", "o1", 1) is None
        assert uow.published.history(EHR, "Observation", "o1") == []


def test_a_patient_referred_by_two_practices_is_readable_by_both(store: Store, publisher: Publisher) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        uow.referrals.add(referral(1, "practice-a"), fingerprint="f", entries=[], inbox=None)
        patient = resource(
            "patient-1", type="Patient", sharing=Sharing.REFERRAL, owner="practice-b", episode=False
        )
        publisher.publish(uow, [patient], now=NOW)
        for reader in (PRACTICE_A, PRACTICE_B):
            assert uow.published.find(reader, "Patient", "patient-1") is not None
        other_practice = Reader.practice(ClientId("practice-c"))
        assert uow.published.find(other_practice, "Patient", "patient-1") is None


def test_the_clock_is_the_newest_committed_moment(store: Store, publisher: Publisher) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        publisher.publish(uow, [resource("o1")], now=NOW)
    with store.read() as uow:
        assert uow.published.clock() == to_milliseconds(NOW)


SEARCHES = {
    "a person's": (Search("Observation", person=PersonId("patient-1")), "(person=?"),
    "a person's by code": (
        Search(
            "Observation", person=PersonId("patient-1"), tokens=(token("code", (None, "1")),), descending=True
        ),
        "(person=?",
    ),
    "an identifier's": (Search("Observation", tokens=(token("identifier", (None, "1")),)), "(rowid=?"),
    "an id's": (Search("Observation", ids=(ResourceId("o1"),)), "(id=?"),
    "all since": (
        Search("Observation", last_updated=(SpanFilter(Prefix.GE, NOW, NOW + MINUTE),)),
        "(type=? AND last_updated>?",
    ),
}


@pytest.mark.parametrize("reader", [EHR, PRACTICE_A, INTERNAL], ids=["ehr", "practice", "internal"])
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_starts_from_what_few_rows_share(migrated_file: Path, reader: Reader, name: str) -> None:
    """In SQLite, which plans without statistics; PostgreSQL has its own."""
    search, start = SEARCHES[name]
    store = Store(f"sqlite:///{migrated_file}")
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        with store.read() as uow:
            uow.published.search(reader, search)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
        store.close()
    statement, parameters = next(one for one in asked if "FROM published" in one[0])
    with closing(sqlite3.connect(migrated_file)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert any(line.startswith("SEARCH published USING") and start in line for line in plan), plan
