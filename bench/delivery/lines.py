"""Measures `deliver`: our push against bare loops, to HAPI and to a null server."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.delivery.processes import null_server, run_concurrently
from bench.delivery.queue_setup import queue_responses
from bench.measurement import ratios, run_interleaved, spread
from bench.pushing.prepared_cohort import Bundles, capture_bundles, copy_database, prepare_database
from bench.pushing.push_and_baseline import time_posting, time_push
from bench.report import ReportLine
from tests.backing_services.postgres import PostgresServer

EACH = 40
"""Responses per person, each with one Observation."""
FEWER_FOR_HAPI = 10
"""The divisor for HAPI, which gets a tenth of the people."""
OF_THE_BEST_LOOP = 0.9
OF_THE_BARE_LOOP = 0.4
AT_LEAST_PER_SECOND = 10_000
TWO_BESIDE_ONE = 1.7
SLOW_MILLISECONDS = 20
PEOPLE_FOR_POSTGRES = 150
OURS = "ours"
CONNECTIONS = 4
"""Connections of our push: the default of the setting."""
PEOPLE_A_BUNDLE = (1, 2)
"""People per Bundle of the bare loop; the best combination counts."""
BARE_CONNECTIONS = (4, 8)


def deliver_lines(rounds: int, people: int) -> Iterator[ReportLine]:
    """Yields the lines; each side runs in its own processes on its own database."""
    with TemporaryDirectory(prefix="bench-deliver-") as named:
        folder = Path(named)
        yield from _into_null(folder, rounds, people)
        yield from _two_processes(rounds)
        yield from _into_hapi(folder, rounds, people // FEWER_FOR_HAPI)


def _into_null(folder: Path, rounds: int, people: int) -> Iterator[ReportLine]:
    database = folder / "queued.sqlite"
    queue_responses(f"sqlite:///{database}", people, EACH)
    bundles = capture_bundles(database)
    ready = folder / "ready"
    ready.mkdir()
    for number, body in enumerate(bundles.of_people):
        (ready / f"{number:06}.json").write_bytes(body)
    resources = _resources(bundles)
    sides = {
        f"ours, {count} connections": partial(_push_null, folder, database, count) for count in (1, 2, 4)
    }
    sides |= {f"bare, {count} connections": partial(_post_null, ready, count) for count in (1, 2, 4)}
    sides["recording"] = partial(_record_null, folder, database, ready)
    took = run_interleaved(sides, rounds)
    rates = {side: f"{resources / spread(seconds).median:,.0f}/s" for side, seconds in took.items()}
    ours, bare = _best(took, "ours"), _best(took, "bare")
    rate = spread([resources / seconds for seconds in took[ours]])
    what = f"{resources:,} resources of {people:,} people to a server that stores nothing"
    yield ReportLine("deliver", f"{what}: resources a second", rate, AT_LEAST_PER_SECOND, sides=rates)
    yield ReportLine(
        "deliver", "the same: of the bare loop", ratios(took[bare], took[ours]), OF_THE_BARE_LOOP
    )
    floor = ratios(took[bare], took["recording"])
    yield ReportLine(
        "deliver", "of the bare loop: a loop that only records the result of each delivery", floor
    )
    yield ReportLine("deliver", "ours: of that loop", ratios(took["recording"], took[ours]))


def _push_null(folder: Path, database: Path, connections: int) -> float:
    copy = copy_database(database, folder / "ours.sqlite")
    with null_server() as base:
        seconds, _ = run_concurrently(
            "bench.delivery.push_process", [(f"sqlite:///{copy}", base, str(connections))]
        )
    return seconds


def _post_null(ready: Path, connections: int) -> float:
    with null_server() as base:
        seconds, _ = run_concurrently("bench.delivery.bare_loop", [(str(ready), base, str(connections))])
    return seconds


def _record_null(folder: Path, database: Path, ready: Path) -> float:
    copy = copy_database(database, folder / "recording.sqlite")
    with null_server() as base:
        seconds, _ = run_concurrently("bench.delivery.recording_loop", [(str(copy), str(ready), base)])
    return seconds


def _two_processes(rounds: int) -> Iterator[ReportLine]:
    with PostgresServer(durable=True) as server:
        template = server.new_database()
        queue_responses(server.url(template), PEOPLE_FOR_POSTGRES, EACH)
        took = run_interleaved(
            {
                f"{count} process{'es' if count > 1 else ''}": partial(
                    _push_postgres, server, template, count
                )
                for count in (1, 2)
            },
            rounds,
        )
    rates = {side: f"{spread(seconds).median:.1f} s" for side, seconds in took.items()}
    what = f"PostgreSQL, {SLOW_MILLISECONDS} ms a call: two processes of one connection beside one"
    yield ReportLine(
        "deliver", what, ratios(took["1 process"], took["2 processes"]), TWO_BESIDE_ONE, sides=rates
    )


def _push_postgres(server: PostgresServer, template: str, processes: int) -> float:
    copy = server.new_database(template)
    with null_server(SLOW_MILLISECONDS) as base:
        seconds, _ = run_concurrently(
            "bench.delivery.push_process", [(server.url(copy), base, "1")] * processes
        )
    server.drop_database(copy)
    return seconds


def _into_hapi(folder: Path, rounds: int, people: int) -> Iterator[ReportLine]:
    warm_up = capture_bundles(prepare_database(folder, "warm-up", 10))
    database = folder / "for-hapi.sqlite"
    queue_responses(f"sqlite:///{database}", people, EACH)
    bundles = capture_bundles(database)
    resources = _resources(bundles)
    sides = {OURS: partial(time_push, warm_up, database, CONNECTIONS)}
    sides |= {
        f"bare, {several} people a Bundle, {count} connections": partial(
            time_posting, warm_up, _joined(bundles, several), count
        )
        for several in PEOPLE_A_BUNDLE
        for count in BARE_CONNECTIONS
    }
    took = {side: [one.seconds for one in ones] for side, ones in run_interleaved(sides, rounds).items()}
    rates = {side: f"{resources / spread(seconds).median:,.0f}/s" for side, seconds in took.items()}
    best = _best(took, "bare")
    what = f"{resources:,} resources of {people:,} people to HAPI: of the best bare loop"
    yield ReportLine("deliver", what, ratios(took[best], took[OURS]), OF_THE_BEST_LOOP, sides=rates)


def _joined(bundles: Bundles, several: int) -> Bundles:
    """Returns the same resources with `several` people in one Bundle."""
    joined = []
    for at in range(0, len(bundles.of_people), several):
        entries = [
            body.split(b"[", 1)[1].removesuffix(b"]}") for body in bundles.of_people[at : at + several]
        ]
        joined.append(bundles.of_people[at].split(b"[", 1)[0] + b"[" + b",".join(entries) + b"]}")
    return Bundles(bundles.definitions, joined)


def _resources(bundles: Bundles) -> int:
    return sum(body.count(b'"fullUrl"') for body in (*bundles.definitions, *bundles.of_people))


def _best(took: Mapping[str, list[float]], prefix: str) -> str:
    return min((side for side in took if side.startswith(prefix)), key=lambda side: spread(took[side]).median)
