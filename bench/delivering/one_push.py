"""One process that pushes: `python -m bench.delivering.one_push DATABASE_URL ADDRESS CONNECTIONS`.

Says `ready`, waits for a line, sends until nothing is left, and prints its processor seconds and how many it sent.
"""

import json
import sys
import time

from bench.house import clock
from bench.pushing.cohort import destination, unsent
from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.push import Push
from fhir_pmp.logs import start_logging
from fhir_pmp.store import Store


def main() -> None:
    """Pushes when told to."""
    start_logging("warning")
    url, base, connections = sys.argv[1:]
    store = Store(url)
    client = EhrClient(base, connections=int(connections))
    push = Push(store, Neighbour(destination(), client), clock)
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.process_time()
    sent = push.run().counts["sent"]
    while unsent(store):
        time.sleep(0.05)  # another process has the definitions' lane, or the last ones
        sent += push.run().counts["sent"]
    print(json.dumps({"worked": time.process_time() - began, "sent": sent}), flush=True)
    client.close()
    store.close()


if __name__ == "__main__":
    main()
