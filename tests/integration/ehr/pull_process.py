"""A process that pulls once, which a test may kill."""

import argparse

from fhir_pmp.store import Store
from tests.integration.ehr.pull_and_reconcile import pull
from tests.integration.ehr.sync_harness import SyncHarness


def main() -> None:
    """Reads the command line and pulls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database")
    parser.add_argument("ehr")
    parser.add_argument("--per-page", type=int, required=True)
    asked = parser.parse_args()
    store = Store(asked.database)
    with SyncHarness(store, asked.ehr) as harness:
        print(pull(harness, per_page=asked.per_page), flush=True)
    store.close()


if __name__ == "__main__":
    main()
