"""Inserts the rows that an import wrote, and nothing else; prints JSON.

`python -m bench.importing.bare_insertion WRITTEN MARKS DATABASE`. The same rows go in transactions of the same size into
the same tables with their indices, over a connection with the same pragmas and the same WAL checkpoints.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.importing.transaction_rows import Rows, TransactionMarks, of_each_transaction
from bench.service import load_bench_clinic, open_store
from fhir_pmp.store.engine.connecting import open_engines
from fhir_pmp.store.engine.wal_checkpointer import WalCheckpointer


def insert_rows(transactions: Iterable[list[Rows]], database: Path) -> tuple[int, float, float]:
    """Inserts into a new database; returns the number of rows, seconds and processor seconds."""
    open_store(database, load_bench_clinic())[0].close()
    engine, _ = open_engines(f"sqlite:///{database}")
    checkpoints = WalCheckpointer(engine)
    count, seconds, cpu_seconds = 0, 0.0, 0.0
    connection: Any = engine.raw_connection()
    for inserts in transactions:
        began, cpu_began = time.perf_counter(), time.process_time()
        connection.execute("BEGIN IMMEDIATE")
        for one in inserts:
            connection.executemany(one.insert, one.rows)
        connection.execute("COMMIT")
        checkpoints.after_commit()
        seconds += time.perf_counter() - began
        cpu_seconds += time.process_time() - cpu_began
        count += sum(len(one.rows) for one in inserts)
    connection.close()
    engine.dispose()
    return count, seconds, cpu_seconds


def main() -> None:
    """Inserts the rows and prints the result."""
    written, marks, database = (Path(argument) for argument in sys.argv[1:])
    ends: TransactionMarks = json.loads(marks.read_text())
    with sqlite3.connect(written) as source:
        rows, seconds, cpu_seconds = insert_rows(of_each_transaction(source, ends), database)
    print(json.dumps({"rows": rows, "seconds": seconds, "worked": cpu_seconds}))


if __name__ == "__main__":
    main()
