"""Only the state writer changes the state of a delivery."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITER = ROOT / "fhir_pmp" / "store" / "delivery" / "state_writer.py"
WRITTEN_AS_TEXT = re.compile(r"\b(?:UPDATE|INTO|FROM)\s+outbox\b", re.IGNORECASE)
DELETED_OR_WRITTEN = re.compile(r"^\s*(?:UPDATE|INSERT|REPLACE|DELETE)\b", re.IGNORECASE)


def find_state_writes(source: str) -> Iterator[str]:
    """The places that insert or delete deliveries, or set their state, as `line: code`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if DELETED_OR_WRITTEN.search(node.value) and WRITTEN_AS_TEXT.search(node.value):
                yield f"{node.lineno}: {node.value}"
        elif isinstance(node, ast.Call):
            code = ast.unparse(node)
            function = ast.unparse(node.func)
            is_of_outbox = bool(node.args) and ast.unparse(node.args[0]).split(".")[-1] == "outbox"
            adds = is_of_outbox and function.split(".")[-1] in ("BulkInsert", "insert", "delete")
            # `state` may also be set by a mapping: only keywords can be checked, so only they are allowed.
            sets = (
                function.endswith(".values")
                and re.search(r"\bupdate\((?:\w+\.)*outbox\)|\boutbox\.update\(", function)
                and (bool(node.args) or any(k.arg in (None, "state") for k in node.keywords))
            )
            if adds or sets or function in ("outbox.insert", "outbox.delete", "outbox.update"):
                yield f"{node.lineno}: {code}"


def test_no_other_module_writes_the_state_of_a_delivery() -> None:
    found = {
        str(path.relative_to(ROOT)): list(find_state_writes(path.read_text(encoding="utf-8")))
        for path in sorted((ROOT / "fhir_pmp").rglob("*.py"))
        if path != WRITER
    }
    assert {path: places for path, places in found.items() if places} == {}


def test_the_state_writer_takes_every_state_from_the_table() -> None:
    text = WRITER.read_text(encoding="utf-8")
    assert list(find_state_writes(text))
    assert not re.search(r"state=DeliveryState|state = '\w", text)


@pytest.mark.parametrize(
    "code",
    [
        "BulkInsert(outbox, 'state')",
        "sa.insert(outbox)",
        "sa.delete(tables.outbox)",
        "sa.update(outbox).where(x).values(state='sent')",
        "sa.update(outbox).values(**changed)",
        "sa.update(outbox).values({'state': 'sent'})",
        "outbox.update()",
        "BulkUpdate(\"UPDATE outbox SET state = 'sent' WHERE seq = :seq\")",
        "x = f\"UPDATE outbox SET state = '{state}'\"",
        "sa.text('DELETE FROM outbox')",
    ],
)
def test_a_write_is_found(code: str) -> None:
    assert list(find_state_writes(code))


def test_a_read_and_a_change_of_a_time_are_no_writes_of_the_state() -> None:
    allowed = "sa.update(outbox).where(outbox.c.state == x).values(next_attempt_at=now)"
    assert list(find_state_writes(f"{allowed}\nsa.select(outbox)\nsa.text('SELECT state FROM outbox')")) == []
