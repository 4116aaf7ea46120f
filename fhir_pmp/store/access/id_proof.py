"""One id with the key it was computed from: a secret that does not give it again is the wrong secret."""

from dataclasses import dataclass

import orjson
import sqlalchemy as sa

from fhir_pmp.store.tables.inbox import id_proof


@dataclass(frozen=True, slots=True)
class IdProof:
    """An id that was stored under this secret. The key holds nothing of a person."""

    id: str
    kind: str
    key: tuple[str, ...]


class IdProofs:
    """The first id computed in this database."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self) -> IdProof | None:
        """The proof, if one was kept."""
        row = self._connection.execute(sa.select(id_proof)).first()
        return None if row is None else IdProof(row.id, row.kind, tuple(orjson.loads(row.key)))

    def keep(self, proof: IdProof) -> None:
        """Keeps the proof of a new database."""
        self._connection.execute(
            sa.insert(id_proof).values(id=proof.id, kind=proof.kind, key=orjson.dumps(proof.key).decode())
        )
