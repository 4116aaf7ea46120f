"""A sync process that a test may kill: pushes once to one address and ends, or dies at a named crash point."""

import argparse
from datetime import UTC, datetime, timedelta

from fhir_pmp import crash_points
from fhir_pmp.ehr.client import EhrClient, Limits
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.push import Push
from fhir_pmp.store import Store
from tests.integration.ehr.house import destination


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
    asked = parser.parse_args()
    if asked.crash_at:
        crash_points.arm(asked.crash_at)
    ahead: timedelta = asked.starts_at - datetime.now(UTC)
    store = Store(asked.database)
    with EhrClient(asked.ehr, connections=asked.connections, limits=Limits(2.0, 60.0, 60.0)) as client:
        neighbour = Neighbour(destination(), client)
        print(Push(store, neighbour, lambda: datetime.now(UTC) + ahead).run(), flush=True)
    store.close()


if __name__ == "__main__":
    main()
