"""Looks at a FHIR server from outside: is everything that was sent there once, and equal to the bytes last sent?

It walks every page of every type, groups by business identifier (not by id) and compares without `meta`. It knows
nothing of fhir_pmp's code; what was sent it reads from the outbox: `python -m tests.ehr_comparison --help`.
"""

import argparse
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import requests

from tests.stub_ehr.json_text import from_json

Resource = Mapping[str, Any]
Key = tuple[str, str]
PAGE_SIZE = 200

LATEST_SENT_SQL = """
    SELECT published.type, published.id, published.version,
        COALESCE(outbox.sent_bytes, published.content)
    FROM outbox JOIN published ON published.seq = outbox.published_seq
    WHERE outbox.destination = ? AND outbox.state = 'sent'
    ORDER BY published.version
"""


@dataclass
class ComparisonReport:
    """What was found. `is_clean` when everything sent is there exactly once and equal."""

    found: Counter[str] = field(default_factory=Counter)  # by type, of ours
    foreign: Counter[str] = field(default_factory=Counter)  # by type, of somebody else
    missing: list[Key] = field(default_factory=list)
    duplicated: list[Key] = field(default_factory=list)
    different: list[Key] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """No loss, no duplicate, nothing other than what was sent."""
        return not (self.missing or self.duplicated or self.different)

    def __str__(self) -> str:
        lines = [f"{kind}: {count}" for kind, count in sorted(self.found.items())]
        for name in ("missing", "duplicated", "different"):
            lines += [f"{name}: {kind} {key}" for kind, key in getattr(self, name)]
        return "\n".join(lines)


def check(base: str, sent: Mapping[Key, Resource]) -> ComparisonReport:
    """Compares a server with what was last sent to it, by business key."""
    at_ehr: dict[Key, list[Resource]] = defaultdict(list)
    report = ComparisonReport()
    for resource in read_all_resources(base):
        key = business_key_of(resource)
        if key in sent:
            at_ehr[key].append(resource)
            report.found[resource["resourceType"]] += 1
        else:
            report.foreign[resource["resourceType"]] += 1
    for key, wanted in sent.items():
        if key not in at_ehr:
            report.missing.append(key)
        elif len(at_ehr[key]) > 1:
            report.duplicated.append(key)
        elif not is_same_json(_without_meta(wanted), _without_meta(at_ehr[key][0])):
            report.different.append(key)
    return report


def read_all_resources(base: str) -> Iterator[Resource]:
    """Every resource of a server, type by type, page by page; stored search results are not asked for."""
    with requests.Session() as session:
        session.trust_env = False
        for kind in _searchable_types(_get(session, f"{base}/metadata")):
            page: Resource | None = _get(session, f"{base}/{kind}?_count={PAGE_SIZE}")
            while page is not None:
                yield from (entry["resource"] for entry in page.get("entry", []))
                following = [link["url"] for link in page.get("link", []) if link["relation"] == "next"]
                page = _get(session, following[0]) if following else None


def latest_sent_by_key(rows: Iterable[tuple[str, str, int, bytes]]) -> dict[Key, Resource]:
    """What was last sent, by business key, of (type, id, version, bytes) with older versions first."""
    newest = {(kind, id_): content for kind, id_, _, content in rows}
    found = [from_json(content) for content in newest.values()]
    return {business_key_of(resource): resource for resource in found}


def read_sent_from_sqlite(path: str, destination: str) -> dict[Key, Resource]:
    """What the outbox of a SQLite database says was last sent to a destination."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return latest_sent_by_key(connection.execute(LATEST_SENT_SQL, [destination]).fetchall())
    finally:
        connection.close()


def business_key_of(resource: Resource) -> Key:
    """The type and what the world calls it: identifier, else url and version, else (nothing better) the id."""
    identifier = resource.get("identifier")
    first = identifier[0] if isinstance(identifier, list) and identifier else identifier
    if isinstance(first, dict) and "value" in first:
        return resource["resourceType"], f"{first.get('system', '')}|{first['value']}"
    if "url" in resource:
        return resource["resourceType"], f"{resource['url']}|{resource.get('version', '')}"
    return resource["resourceType"], str(resource["id"])


def is_same_json(one: object, other: object) -> bool:
    """Equal as JSON, decimals digit by digit."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same_json(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(is_same_json(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return one.as_tuple() == other.as_tuple()
    return type(one) is type(other) and one == other


def _without_meta(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name != "meta"}


def _searchable_types(statement: Resource) -> list[str]:
    listed = statement["rest"][0]["resource"]
    searched = [
        r for r in listed if {"code": "search-type"} in [{"code": i["code"]} for i in r["interaction"]]
    ]
    return sorted(r["type"] for r in searched)


def _get(session: requests.Session, url: str) -> Resource:
    headers = {"Accept": "application/fhir+json", "Cache-Control": "no-cache"}
    response = session.get(url, headers=headers, timeout=120)
    response.raise_for_status()
    body: Resource = from_json(response.content)
    return body


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where everything is there once and equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ehr", required=True, help="the base address of the server")
    parser.add_argument("--database", required=True, help="the SQLite file with the outbox")
    parser.add_argument("--destination", required=True, help="which destination of the outbox it is")
    options = parser.parse_args(arguments)
    sent = read_sent_from_sqlite(options.database, options.destination)
    report = check(options.ehr.rstrip("/"), sent)
    print(report)
    print(f"{len(sent)} sent; {'all there once and equal' if report.is_clean else 'NOT as sent'}")
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
