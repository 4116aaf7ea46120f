"""Posts ready Bundles and records the result of each delivery with plain SQL.

`python -m bench.delivery.recording_loop DATABASE FOLDER ADDRESS`. Before each Bundle it marks its deliveries as in flight,
and after the response as sent, as durably as the push does. A program that may be killed at any moment without losing or
duplicating a delivery cannot write less. It checks and decides nothing, so it is a lower bound.

Prints `ready`, waits for a line, posts every file of the folder, and prints its processor seconds.
"""

import json
import sqlite3
import sys
import time
from pathlib import Path

import orjson
import requests

from fhir_pmp.ehr.transport.client import FHIR_JSON

LANES = "SELECT lane, json_group_array(seq) FROM outbox WHERE lane <> 'definitions' GROUP BY lane ORDER BY min(seq)"
MARK_IN_FLIGHT = (
    "UPDATE outbox SET state = 'in_flight', lease_epoch = 1, lease_until = ? "
    "WHERE seq IN (SELECT value FROM json_each(?))"
)
MARK_SENT = "UPDATE outbox SET state = 'sent', last_status = ?, etag = ?, sent_at = ?, lease_until = NULL WHERE seq = ?"


def main() -> None:
    """Posts and records after a line on standard input."""
    database, folder, base = sys.argv[1:]
    bodies = [file.read_bytes() for file in sorted(Path(folder).iterdir())]
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -32768"):
        connection.execute(f"PRAGMA {pragma}")
    lanes = [seqs for _, seqs in connection.execute(LANES)]
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.process_time()
    with requests.Session() as session:
        session.trust_env = False
        for seqs, body in zip(lanes, bodies, strict=True):
            _send(connection, session, base, seqs, body)
    print(json.dumps({"worked": time.process_time() - began}), flush=True)


def _send(
    connection: sqlite3.Connection, session: requests.Session, base: str, seqs: str, body: bytes
) -> None:
    now = time.time_ns() // 1_000_000
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(MARK_IN_FLIGHT, (now + 180_000, seqs))
    connection.execute("COMMIT")
    answer = session.post(base, body, headers={"Content-Type": FHIR_JSON}, timeout=120)
    answer.raise_for_status()
    replies = [entry["response"] for entry in orjson.loads(answer.content)["entry"]]
    rows = zip(replies, orjson.loads(seqs), strict=True)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(MARK_SENT, [(one["status"], one["etag"], now, seq) for one, seq in rows])
    connection.execute("COMMIT")


if __name__ == "__main__":
    main()
