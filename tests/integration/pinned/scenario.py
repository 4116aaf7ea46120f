"""One seeded cohort goes all the way through the real program, under a clock and ids that are the same every time.

`python -m tests.integration.pinned.scenario DATABASE_URL FOLDER` prints hashes of what was published and sent, as JSON. It
is a process of its own because it replaces the program's clock and its uuid4. It uses the program by its commands, its
pages and its FHIR API, with the stub EHR at the other end; only `_rows` reads its tables.
"""

import dataclasses
import hashlib
import importlib
import io
import json
import os
import shutil
import sys
import threading
import tomllib
import uuid
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from random import Random
from typing import Any, Self
from wsgiref.types import WSGIApplication

import sqlalchemy as sa
from werkzeug.serving import WSGIRequestHandler, make_server

from demo.clinician_tasks import DECLINE_REASON, acknowledge_flags
from demo.letter_signing import COMMENT, sign_draft
from demo.page_client import PageClient
from demo.people import Person, cohort, gp_bundle, write_wide_csv
from demo.people.identity import MEDICARE_SYSTEM
from demo.people.practices import PRACTICE_SYSTEM
from demo.practice_system import PracticeSystems, SubmittedReferral
from tests.stub_ehr.interactions import StubEhr, StubRequest, StubResponse
from tests.stub_ehr.json_text import from_json, to_json
from tests.stub_ehr.pages import Pages as SearchPages
from tests.stub_ehr.records import Records
from tests.stub_ehr.server import StubServer

ROOT = Path(__file__).parents[3]
PROGRAM = "fhir_pmp"
SEED = 11
TODAY = date(2026, 6, 15)
BEGINS = datetime(2026, 6, 14, 23, 10, 11, 123000, tzinfo=UTC)
"""The morning of `TODAY` in Sydney."""
LOGIN, PASSWORD = "dr.example", "correct horse battery staple"

PEOPLE = (0, 3, 5, 6, 8, 10, 11, 13, 46, 109, 117, 184)
"""Of the seed's cohort. 3, 6, 8, 11, 13, 46 and 117 are referred; 3 and 109 never started; 11 stopped; 10 is under way; 8 said yes
to item 9; 46 does not share, 0 was not asked; 109, 117 and 184 have corrections; 3 has no Medicare number."""
DECLINED = 13
UNKNOWN_AT_THE_HOSPITAL = 6

STORE, HOSPITAL = "pinned-store", "pinned-hospital"
DESTINATIONS = {
    STORE: {"title": "A store", "patients": "ours", "strategy": "our_id", "entries_per_bundle": 40},
    HOSPITAL: {
        "title": "A hospital that gives its own ids, and takes observations and letters",
        "patients": "theirs",
        "identifier_systems": [MEDICARE_SYSTEM],
        "types": ["Observation", "DocumentReference"],
        "entries_per_bundle": 25,
    },
}
HEADERS = ("content-type", "if-match", "if-none-exist", "if-none-match", "prefer")
PROBE = b"urn:fhir-pmp:probe"
"""Stands in all that is written to find out how a server behaves; its ids are random, so it is not pinned."""

Pins = dict[str, Any]


class Clock:
    """Stands still between steps."""

    def __init__(self) -> None:
        self.now = BEGINS

    def later(self, **by: float) -> None:
        """Moves it."""
        self.now += timedelta(**by)


class RecordingEhr(StubEhr):
    """The stub EHR, which keeps every request and whose own clock is ours."""

    def __init__(self, clock: Clock, *, client_ids: bool) -> None:
        super().__init__(Records(), SearchPages(0.0), client_ids=client_ids)
        self.requests: list[StubRequest] = []
        self.clock = clock
        self._lock = threading.Lock()

    def answer(self, asked: StubRequest) -> StubResponse:
        """Answers as the stub does."""
        with self._lock:
            self.requests.append(asked)
        moment = self.clock.now.isoformat(timespec="milliseconds")
        return super().answer(
            dataclasses.replace(asked, headers={**asked.headers, "x-stub-last-updated": moment})
        )


# The program, by its public ways


def fix_ids_and_clock(clock: Clock) -> None:
    """Before the program is imported: uuid4 counts from a seed, and whatever asks the time is told the clock's."""
    ids = Random(SEED)
    uuid.uuid4 = lambda: uuid.UUID(int=ids.getrandbits(128), version=4)

    class Fixed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return clock.now.astimezone(tz)  # type: ignore[return-value]

    asking = [file for file in (ROOT / PROGRAM).rglob("*.py") if "datetime.now(" in file.read_text("utf-8")]
    assert asking, "nothing asks the time: look where the program's clock went"
    for file in asking:
        parts = file.relative_to(ROOT).with_suffix("").parts
        module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
        assert module.datetime is datetime
        module.datetime = Fixed  # type: ignore[attr-defined]


def run(*arguments: str, given: str = "") -> str:
    """What a command of the program printed, run in this process. Raises SystemExit where it failed."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    module, _, name = scripts["fhir-pmp"].partition(":")
    main: Callable[[], object] = getattr(importlib.import_module(module), name)
    printed = io.StringIO()
    arguments_before, given_before = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["fhir-pmp", *arguments], io.StringIO(given)
    try:
        with redirect_stdout(printed):
            main()
    except SystemExit as end:
        if end.code not in (None, 0):
            raise SystemExit(f"fhir-pmp {arguments[0]} ended with {end.code}: {printed.getvalue()}") from end
    finally:
        sys.argv, sys.stdin = arguments_before, given_before
    return printed.getvalue()


def set_environment(database: str, folder: Path, bases: Mapping[str, str]) -> None:
    """Fixed settings; only addresses and files are this run's."""
    mappings = folder / "mappings"
    shutil.copytree(ROOT / "mappings", mappings)
    for name, values in DESTINATIONS.items():
        file = mappings / "destinations" / f"{name}.yaml"
        file.write_text(json.dumps({"id": name, **values}), encoding="utf-8")  # JSON is YAML
    settings = {
        "DATABASE_URL": database,
        "CANONICAL_BASE": "https://example.org/pinned",
        "ID_SECRET": "the id secret of the pinned bytes, always this one",
        "SECRET_KEY": "the form secret of the pinned bytes, always this one",
        "CLINIC_ZONE": "Australia/Sydney",
        "MAPPINGS": str(mappings),
        "DESTINATIONS": ",".join(f"{name}={base}" for name, base in bases.items()),
        "CONNECTIONS": "1",
        "LOG_LEVEL": "error",
    }
    os.environ.update({f"FHIR_PMP_{name}": value for name, value in settings.items()})
    os.environ["COLUMNS"] = "200"


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def served() -> Iterator[str]:
    """The web process's app on a port of this machine; its address."""
    application: WSGIApplication = importlib.import_module(f"{PROGRAM}.app").application()
    server = make_server("127.0.0.1", 0, application, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def listening(ehr: StubEhr) -> Iterator[str]:
    """The stub EHR on a port of this machine; its address."""
    with StubServer(ehr) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.address
        server.shutdown()


# What happens


def play(database: str, folder: Path) -> Pins:
    """The whole scenario over an empty database; what is pinned of it."""
    clock = Clock()
    fix_ids_and_clock(clock)
    ehrs = {
        STORE: RecordingEhr(clock, client_ids=True),
        HOSPITAL: RecordingEhr(clock, client_ids=False),
    }
    known = list(cohort(max(PEOPLE) + 1, seed=SEED, today=TODAY))
    people = [known[number] for number in PEOPLE]
    _patients_of_the_hospital(
        ehrs[HOSPITAL], [one for one in people if one != known[UNKNOWN_AT_THE_HOSPITAL]]
    )
    with listening(ehrs[STORE]) as store, listening(ehrs[HOSPITAL]) as hospital:
        bases = {STORE: store, HOSPITAL: hospital}
        set_environment(database, folder, bases)
        run("migrate")
        tokens = _register(people)
        with served() as address:
            practices = PracticeSystems(f"{address}/fhir", tokens)
            pages = PageClient(address)
            pages.log_in(LOGIN, PASSWORD)
            _a_day(clock, pages, practices, people, known[DECLINED], folder)
            _withdraw_one(clock, ehrs[STORE])
    counts = json.loads(run("deliveries", "counts", "--json"))
    return {
        "deliveries_counted": counts,
        **_published(database),
        "deliveries": _deliveries(database),
        "received": {name: list(_received(ehrs[name], bases[name])) for name in ehrs},
    }


def _register(people: list[Person]) -> dict[str, str]:
    who = ("users", "add", LOGIN, "--name", "Dr Alex Example", "--role", "clinician")
    run(*who, "--registration", "MED0001234567", "--password-stdin", given=f"{PASSWORD}\n")
    names = {one.practice.identifier: one.practice.name for one in people if one.referred}
    tokens = {}
    for identifier, name in names.items():
        organization = f"{PRACTICE_SYSTEM}|{identifier}"
        printed = run("clients", "add", name, "--kind", "practice", "--organization", organization)
        tokens[identifier] = printed.split("token: ")[1].strip()
    return tokens


def _a_day(
    clock: Clock,
    pages: PageClient,
    practices: PracticeSystems,
    people: list[Person],
    declined: Person,
    folder: Path,
) -> None:
    referred: dict[str, SubmittedReferral] = {}
    for person in people:
        if person.referred:
            clock.later(seconds=10)
            bundle = gp_bundle(person, person.practice, today=TODAY)
            referred[person.record_id] = practices.for_person(person).refer(bundle)
    clock.later(minutes=1)
    _sync(clock)
    _decide(
        pages,
        {submitted.number: record == declined.record_id for record, submitted in referred.items()},
        clock,
    )
    _sync(clock)
    enrolled = [_numbered(one, referred) for one in people if one != declined]
    _import(folder / "export.csv", enrolled, amendments=False)
    clock.later(minutes=1)
    assert acknowledge_flags(pages) > 0
    _sync(clock)
    _import(folder / "corrections.csv", enrolled, amendments=True)
    clock.later(minutes=1)
    acknowledge_flags(pages)
    _sync(clock)
    assert _sign_all(pages) > 0
    clock.later(minutes=2)
    _sync(clock)
    _sync(clock)


def _withdraw_one(clock: Clock, store: RecordingEhr) -> None:
    """A response that was delivered is withdrawn, and that is delivered too."""
    scores = [v.resource for v in store.records.all_versions() if v.kind == "Observation" and v.resource]
    answers = {source["reference"] for score in scores for source in score.get("derivedFrom", [])}
    scored = max(one for one in answers if one.startswith("QuestionnaireResponse/"))
    run("responses", "withdraw", scored.split("/")[1], "--reason", "It was another person's.")
    clock.later(minutes=1)
    _sync(clock)


def _sync(clock: Clock) -> None:
    """What is due is drafted and sent."""
    run("sync", "--once")
    clock.later(minutes=2)


def _decide(pages: PageClient, declines: dict[str, bool], clock: Clock) -> None:
    left = dict(declines)
    for link in pages.links("/worklist", r"/referrals/[^/]+"):
        number = next(word for word in link.line.split() if word in left)
        clock.later(seconds=10)
        if left.pop(number):
            letter = pages.submit(link.href, r"/episodes/[^/]+/decline")
            sign_draft(pages, letter, {"stop_reason": DECLINE_REASON})
        else:
            pages.submit(link.href, r"/episodes/[^/]+/accept")
    assert not left, "a referral does not stand on the worklist"


def _import(file: Path, people: list[Person], *, amendments: bool) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        write_wide_csv(people, opened, amendments=amendments)
    run("import", str(file), "--source", "redcap-wide")


def _numbered(person: Person, referred: Mapping[str, SubmittedReferral]) -> Person:
    submitted = referred.get(person.record_id)
    return person if submitted is None else dataclasses.replace(person, referral_number=submitted.number)


def _sign_all(pages: PageClient) -> int:
    """Signs every draft of everybody; how many."""
    drafts = [link.href for link in pages.links("/worklist", r"/letters/[^/]+")]
    for letter in drafts:
        fields = pages.form(letter, f"{letter}/preview").fields
        sign_draft(pages, letter, {"comment": COMMENT} if "comment" in fields else {})
    return len(drafts)


def _patients_of_the_hospital(hospital: RecordingEhr, people: list[Person]) -> None:
    for person in people:
        if person.medicare_number is None:
            continue
        patient = {
            "resourceType": "Patient",
            "identifier": [{"system": MEDICARE_SYSTEM, "value": person.medicare_number}],
            "name": [{"family": person.family_name, "given": [person.given_name]}],
            "gender": person.sex,
            "birthDate": person.birth_date.isoformat(),
        }
        hospital.answer(StubRequest("POST", "/Patient", "", {}, to_json(patient), "http://hospital/fhir"))
    hospital.requests.clear()


# What is pinned of it


def _rows(database: str, sql: str) -> list[dict[str, Any]]:
    """The one place that knows our tables."""
    engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.text(sql)).mappings()]
    engine.dispose()
    return rows


def _published(database: str) -> Pins:
    """Every version by type, `id/version bytes search`: hashes of the bytes as served, and of what it is found by."""
    rows = _rows(database, "SELECT * FROM published")
    found_by = ("tokens", "refs", "date_from", "date_to", "sharing", "person", "episode", "owner")
    versions: dict[str, list[str]] = {}
    letters = []
    for row in rows:
        content = bytes(row["content"])
        line = f"{row['id']}/{row['version']}"
        search = _short(json.dumps([row[name] for name in found_by]).encode())
        versions.setdefault(row["type"], []).append(f"{line} {_short(content)} {search}")
        for pdf in _pdfs(json.loads(content)):
            letters.append(f"{row['type']}/{line} {hashlib.sha256(pdf).hexdigest()}")
    return {
        "published_counts": dict(sorted(Counter(row["type"] for row in rows).items())),
        "letters": sorted(letters),
        "published": {kind: sorted(lines) for kind, lines in sorted(versions.items())},
    }


def _pdfs(resource: Any) -> Iterator[bytes]:
    if isinstance(resource, dict):
        if resource.get("contentType") == "application/pdf" and "data" in resource:
            yield b64decode(resource["data"])
        for value in resource.values():
            yield from _pdfs(value)
    elif isinstance(resource, list):
        for value in resource:
            yield from _pdfs(value)


def _deliveries(database: str) -> Pins:
    """By destination and lane, in their order: what is to be sent, where it stands, and a hash of what was sent."""
    rows = _rows(
        database,
        "SELECT o.destination, o.lane, o.state, o.sent_hash, o.sent_bytes, p.type, p.id, p.version "
        "FROM outbox o JOIN published p ON p.seq = o.published_seq ORDER BY o.seq",
    )
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        kept = "" if row["sent_bytes"] is None else f" {_short(bytes(row['sent_bytes']))}"
        line = (
            f"{row['type']}/{row['id']}/{row['version']} {row['state']} {(row['sent_hash'] or '')[:12]}{kept}"
        )
        found.setdefault(row["destination"], {}).setdefault(row["lane"], []).append(line.rstrip())
    return {name: dict(sorted(lanes.items())) for name, lanes in sorted(found.items())}


def _received(ehr: RecordingEhr, base: str) -> Iterator[str]:
    """Every request that writes, in its order; of a Bundle each entry. Probes are left out."""
    for asked in ehr.requests:
        if PROBE in asked.body or asked.method in ("GET", "DELETE") or asked.path.endswith("/_search"):
            continue
        body = asked.body.replace(base.encode(), b"http://ehr/fhir")
        named = ", ".join(f"{name}: {asked.headers[name]}" for name in HEADERS if name in asked.headers)
        path = f"{asked.path.strip('/')}?{asked.query}".rstrip("?")
        yield f"{asked.method} /{path} {named} {_short(body)}"
        if asked.path.strip("/"):
            continue
        for entry in from_json(body)["entry"]:
            request = entry["request"]
            whole = json.dumps(entry, default=str, ensure_ascii=False).encode()
            yield f"    {request['method']} {request['url']} {_short(whole)}"


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


if __name__ == "__main__":
    found = play(sys.argv[1], Path(sys.argv[2]))
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # what commands left open ends with the process
