"""A process that pulls once, which a test may kill."""

import argparse

from fhir_pmp.store import Store
from tests.integration.ehr.house import House
from tests.integration.ehr.reading import pull


def main() -> None:
    """Reads the command line and pulls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database")
    parser.add_argument("ehr")
    parser.add_argument("--per-page", type=int, required=True)
    asked = parser.parse_args()
    store = Store(asked.database)
    with House(store, asked.ehr) as house:
        print(pull(house, per_page=asked.per_page), flush=True)
    store.close()


if __name__ == "__main__":
    main()
