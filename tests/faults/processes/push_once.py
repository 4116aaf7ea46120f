"""A sync process that a test may kill: pushes once to one address and ends, or dies at a named crash point."""

import argparse
from datetime import UTC, datetime, timedelta

from fhir_pmp import crash_points
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.push.worker import PushWorker
from fhir_pmp.ehr.transport.client import EhrClient, Limits
from fhir_pmp.store import Store
from tests.integration.ehr.sync_harness import destination


def main() -> None:
    """Reads the command line and pushes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--ehr", required=True)
    parser.add_argument("--crash-at", choices=crash_points.POINTS)
    parser.add_argument(
        "--starts-at", type=datetime.fromisoformat, required=True, help="what the clock says now"
    )
    parser.add_argument("--connections", type=int, default=2)
    options = parser.parse_args()
    if options.crash_at:
        crash_points.arm(options.crash_at)
    clock_offset: timedelta = options.starts_at - datetime.now(UTC)
    store = Store(options.database)
    with EhrClient(options.ehr, connections=options.connections, limits=Limits(2.0, 60.0, 60.0)) as client:
        connection = EhrConnection(destination(), client)
        print(PushWorker(store, connection, lambda: datetime.now(UTC) + clock_offset).run(), flush=True)
    store.close()


if __name__ == "__main__":
    main()
