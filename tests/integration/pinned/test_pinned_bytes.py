"""What a seeded cohort is published as and sent as stays the same, byte for byte, on both databases.

A change that is meant to move bytes rewrites the pins by `python -m tests.integration.pinned.pins --write` and says in its
commit why they move.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backing_services.postgres import PostgresServer
from tests.conftest import require_part
from tests.integration.pinned.pins import FILE, differences, read_pins, scenario


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind. PostgreSQL's is a durable server's: commands work on no other."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'pinned.sqlite'}"
        return
    server = require_part(PostgresServer(durable=True).start)
    yield server.url(server.new_database())
    server.stop()


@pytest.mark.slow
def test_published_bytes_ids_letters_and_sent_bodies_are_the_pinned_ones(
    database: str, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    moved = differences(read_pins(), scenario(database, folder))
    assert not moved, f"not as {FILE.name} has it:\n" + "\n".join(moved)


def test_pins_cover_every_kind_of_event() -> None:
    pins = read_pins()
    published, received = pins["published_counts"], pins["received"]
    assert {"Observation", "QuestionnaireResponse", "Flag", "Task", "DocumentReference", "Bundle"} <= set(
        published
    )
    assert len(pins["letters"]) > 10
    assert any(name.strip().startswith("PUT Observation/") for name in received["pinned-store"])
    assert any("Observation?identifier=" in name for name in received["pinned-hospital"])
