"""Pushes in one process: `python -m bench.delivery.push_process DATABASE_URL ADDRESS CONNECTIONS`.

Prints `ready`, waits for a line, sends until nothing is left, and prints its processor seconds and how many it sent.
"""

import json
import sys
import time

from bench.pushing.push_and_baseline import push_all
from fhir_pmp.cli.startup import freeze_heap
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.logs import start_logging
from fhir_pmp.store import Store


def main() -> None:
    """Pushes after a line on standard input."""
    start_logging("warning")
    url, base, connections = sys.argv[1:]
    store = Store(url)
    client = EhrClient(base, connections=int(connections))
    freeze_heap()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.process_time()
    sent = push_all(store, client)
    print(json.dumps({"worked": time.process_time() - began, "sent": sent}), flush=True)
    client.close()
    store.close()


if __name__ == "__main__":
    main()
