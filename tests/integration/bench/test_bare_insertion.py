"""The bare insertion, to which an import is compared, inserts the very rows that the import wrote."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from bench.importing.bare_insertion import insert_rows
from bench.importing.export import write_export
from bench.importing.import_run import run_import
from bench.importing.transaction_rows import last_rows, of_each_transaction
from bench.service import load_bench_clinic
from fhir_pmp.intake.arrivals import RecordingStatus
from fhir_pmp.store.tables.metadata import metadata

RESPONSES = 450
OF_OPENING = {"publish_clock", "id_proof"}
"""Tables of one row, written when a database is opened and before the import begins."""


def everything(database: Path, after: dict[str, int]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every table, but for the definitions: they are published when a database is opened."""
    found = {}
    with sqlite3.connect(database) as connection:
        for table in metadata.sorted_tables:
            rows = connection.execute(f"SELECT * FROM {table.name}").fetchall()
            columns = [column.name for column in table.columns]
            for number, name in (
                ("seq", "published"),
                ("published_seq", "outbox"),
                ("seq", "selective_tokens"),
            ):
                if table.name == name:
                    rows = [row for row in rows if row[columns.index(number)] > after["published"]]
            found[table.name] = sorted(rows, key=repr)
    return found


def test_the_same_rows_in_as_many_transactions(tmp_path: Path) -> None:
    export, taken, poured = (tmp_path / name for name in ("export.csv", "taken.sqlite", "poured.sqlite"))
    written = write_export(export, RESPONSES)
    marks: list[dict[str, int]] = []

    def note() -> None:
        with sqlite3.connect(taken) as connection:
            marks.append(last_rows(connection))

    report, *_ = run_import(export, taken, note, load_bench_clinic())
    assert report.responses[RecordingStatus.ACCEPTED] == written >= RESPONSES
    assert len(marks) == 4, "opened, and three batches of at least 200 or what is left"
    marks = json.loads(json.dumps(marks))
    with sqlite3.connect(taken) as source:
        transactions = list(of_each_transaction(source, marks))
    count, *_ = insert_rows(iter(transactions), poured)
    ours, bare = everything(taken, marks[0]), everything(poured, marks[0])
    differing = {name for name, rows in ours.items() if rows != bare[name]} - OF_OPENING
    assert differing <= {"outbox_lanes"}
    assert [len(rows) for rows in ours["outbox_lanes"]] == [len(rows) for rows in bare["outbox_lanes"]]
    assert count == sum(len(one.rows) for inserts in transactions for one in inserts)
    assert len(bare["responses"]) == written
