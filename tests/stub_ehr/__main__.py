"""Runs the stub EHR as a process: prints its address, serves until it is ended."""

import argparse
import contextlib
import signal
import sys
from pathlib import Path

from tests.stub_ehr.capability import KINDS
from tests.stub_ehr.interactions import StubEhr
from tests.stub_ehr.pages import Pages
from tests.stub_ehr.records import Records
from tests.stub_ehr.server import StubServer


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m tests.stub_ehr", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--file", type=Path, help="a journal that keeps everything over a restart")
    parser.add_argument("--search-cache", type=float, default=60.0, help="seconds a search result is kept")
    parser.add_argument("--answer-after", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--no-client-ids", action="store_true", help="refuse a PUT that would create")
    parser.add_argument("--types", help="the resource types taken, separated by commas")
    parser.add_argument(
        "--search-lag", type=float, default=0.0, help="seconds until a search finds what was made"
    )
    parser.add_argument("--ignore", default="", help="preconditions not looked at: if-match,if-none-exist")
    parser.add_argument("--no-delete", action="store_true", help="refuse DELETE")
    asked = parser.parse_args()
    kinds = tuple(asked.types.split(",")) if asked.types else KINDS
    ignores = frozenset(filter(None, asked.ignore.split(",")))
    records = Records(asked.file, asked.search_lag)
    ehr = StubEhr(
        records, Pages(asked.search_cache), not asked.no_client_ids, kinds, ignores, not asked.no_delete
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with StubServer(ehr, asked.port, answer_after=asked.answer_after) as server:
        print(server.address, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever(poll_interval=0.1)


main()
