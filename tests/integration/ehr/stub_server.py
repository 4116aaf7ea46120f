"""Stub EHRs in this process, each with its own way of not being what it says."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.stub_ehr.interactions import StubEhr
from tests.stub_ehr.pages import Pages
from tests.stub_ehr.records import Records
from tests.stub_ehr.server import StubServer


@contextmanager
def stub_server(
    *, search_lag: float = 0.0, cache: float = 0.0, keeps: Any = None, **switches: Any
) -> Iterator[StubServer]:
    """A stub EHR with these switches of `tests.stub_ehr`, for as long as the block runs."""
    records = Records(search_lag=search_lag)
    if keeps is not None:
        records.keeps = keeps
    with StubServer(StubEhr(records, Pages(cache), **switches)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def everything(server: StubServer) -> list[str]:
    """`Type/id` of all that stands there."""
    records = server.ehr.records
    return [f"{kind}/{r['id']}" for kind in server.ehr.kinds for r in records.of_type(kind)]
