"""The bare insertion of what an import wrote: `python -m bench.importing.pour_in WRITTEN MARKS DATABASE` prints JSON.

The same rows in transactions of the same size, into the same tables with their indices, through a connection with the
same pragmas, and the log worked in at the same moments: nothing but executemany.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.house import clinic_of, open_store
from bench.importing.rows import Marks, Rows, of_each_transaction
from fhir_pmp.store.checkpoints import Checkpoints
from fhir_pmp.store.connecting import open_engines


def pour_in(transactions: Iterable[list[Rows]], database: Path) -> tuple[int, float, float]:
    """Inserts them into a new database: how many rows, seconds, and seconds of processor time."""
    open_store(database, clinic_of())[0].close()
    engine, _ = open_engines(f"sqlite:///{database}")
    checkpoints = Checkpoints(engine)
    count, seconds, worked = 0, 0.0, 0.0
    connection: Any = engine.raw_connection()
    for inserts in transactions:
        began, began_work = time.perf_counter(), time.process_time()
        connection.execute("BEGIN IMMEDIATE")
        for one in inserts:
            connection.executemany(one.insert, one.rows)
        connection.execute("COMMIT")
        checkpoints.after_commit()
        seconds += time.perf_counter() - began
        worked += time.process_time() - began_work
        count += sum(len(one.rows) for one in inserts)
    connection.close()
    engine.dispose()
    return count, seconds, worked


def main() -> None:
    """Inserts, and says how it went."""
    written, marks, database = (Path(argument) for argument in sys.argv[1:])
    ends: Marks = json.loads(marks.read_text())
    with sqlite3.connect(written) as source:
        rows, seconds, worked = pour_in(of_each_transaction(source, ends), database)
    print(json.dumps({"rows": rows, "seconds": seconds, "worked": worked}))


if __name__ == "__main__":
    main()
