"""Stores one id with its business key, by which a wrong id secret is detected."""

from dataclasses import dataclass

import orjson
import sqlalchemy as sa

from fhir_pmp.store.tables.inbox import id_proof


@dataclass(frozen=True, slots=True)
class IdProof:
    """An id computed with the id secret, and its business key.

    The key holds no personal data.
    """

    id: str
    kind: str
    key: tuple[str, ...]


class IdProofs:
    """The proof of the id secret of this database."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self) -> IdProof | None:
        """Returns the proof, if one is stored."""
        row = self._connection.execute(sa.select(id_proof)).first()
        return None if row is None else IdProof(row.id, row.kind, tuple(orjson.loads(row.key)))

    def keep(self, proof: IdProof) -> None:
        """Stores the proof of a new database."""
        self._connection.execute(
            sa.insert(id_proof).values(id=proof.id, kind=proof.kind, key=orjson.dumps(proof.key).decode())
        )
