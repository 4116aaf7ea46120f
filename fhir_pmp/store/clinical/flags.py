"""Stores safety flags: raised with a response, inactive only after a clinician's acknowledgement."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.errors import NotAllowed
from fhir_pmp.identifiers import EpisodeId, FlagId, InstrumentId, LinkId, PersonId, ResponseId, TimepointId
from fhir_pmp.pathway.facts import Acknowledgement, Flag
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.errors import NotStored
from fhir_pmp.store.tables.responses import flags

_ADD = BulkInsert(
    flags, "id", "response", "instrument", "timepoint", "item", "answer", "person", "episode", "raised_at"
)


class AlreadyAcknowledged(NotAllowed):
    """This flag was acknowledged before; the first acknowledgement stands."""


class Flags:
    """Safety flags by response, by episode, and those not acknowledged yet."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, flag: FlagId) -> Flag:
        """Returns the flag. Raises NotStored."""
        found = self._select(flags.c.id == flag)
        if not found:
            raise NotStored("no such flag", field="flag")
        return found[0]

    def of_episodes(self, episodes: Iterable[EpisodeId]) -> dict[EpisodeId, list[Flag]]:
        """Returns the flags of many episodes, each oldest first."""
        found: dict[EpisodeId, list[Flag]] = {}
        for chunk in chunked(list(dict.fromkeys(episodes))):
            for flag in self._select(in_array(flags.c.episode, chunk)):
                found.setdefault(flag.episode, []).append(flag)
        return found

    def of_responses(self, responses: Iterable[ResponseId]) -> dict[ResponseId, list[Flag]]:
        """Returns the flags that these responses raised."""
        found: dict[ResponseId, list[Flag]] = {}
        for chunk in chunked(list(dict.fromkeys(responses))):
            for flag in self._select(in_array(flags.c.response, chunk)):
                found.setdefault(flag.response, []).append(flag)
        return found

    def list_open(self) -> list[Flag]:
        """Lists the flags that are not acknowledged, oldest first."""
        return self._select(sa.text("acknowledged_at IS NULL"))

    def add_many(self, new: Sequence[Flag]) -> None:
        """Stores new flags, unacknowledged."""
        _ADD(
            self._connection,
            [
                (
                    f.id,
                    f.response,
                    f.instrument,
                    f.timepoint,
                    f.item,
                    f.answer,
                    f.person,
                    f.episode,
                    to_milliseconds(f.raised_at),
                )
                for f in new
            ],
        )

    def acknowledge(self, flag: FlagId, *, by: str, action: str, now: datetime) -> Flag:
        """Acknowledges the flag, which is then inactive. Raises NotStored, AlreadyAcknowledged."""
        changed = self._connection.execute(
            sa.update(flags)
            .where(flags.c.id == flag, flags.c.acknowledged_at.is_(None))
            .values(acknowledged_by=by, acknowledged_at=now, action=action)
        )
        found = self.get(flag)
        if changed.rowcount == 0:
            raise AlreadyAcknowledged(field="flag")
        return found

    def _select(self, condition: sa.ColumnElement[bool] | sa.TextClause) -> list[Flag]:
        query = sa.select(flags).where(condition).order_by(flags.c.raised_at, flags.c.id)
        return [_flag(row) for row in self._connection.execute(query)]


def _flag(row: sa.Row[Any]) -> Flag:
    acknowledged = row.acknowledged_at is not None
    return Flag(
        id=FlagId(row.id),
        person=PersonId(row.person),
        episode=EpisodeId(row.episode),
        response=ResponseId(row.response),
        instrument=InstrumentId(row.instrument),
        timepoint=TimepointId(row.timepoint),
        item=LinkId(row.item),
        answer=row.answer,
        raised_at=row.raised_at,
        acknowledgement=Acknowledgement(row.acknowledged_by, row.acknowledged_at, row.action)
        if acknowledged
        else None,
    )
