"""Stores episodes of the programme, with their lessons and the history of their moves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import EpisodeId, PersonId, ReferralId, SourceId
from fhir_pmp.pathway.facts import Episode, EpisodeState, Lesson
from fhir_pmp.store.clinical.episode_rows import COLUMNS, episode_of, row_of
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored
from fhir_pmp.store.tables.people import episode_moves, episodes, lessons, people

_ADD = BulkInsert(episodes, *COLUMNS, "added_at", "changed_at")
_ADD_MOVES = BulkInsert(episode_moves, "episode", "event", "before", "after", "by", "at", "reason")
_ADD_LESSONS = BulkInsert(lessons, "episode", "number", "completed_on")


@dataclass(frozen=True, slots=True)
class EpisodeMove:
    """One change of an episode's state, consent or person, by whom and when."""

    event: str
    before: str | None
    after: str
    by: str
    at: datetime
    reason: str | None


class Episodes:
    """Stores episodes with their lessons and the moves made.

    The rules for moves are in `pathway`.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, episode: EpisodeId) -> Episode:
        """Returns the episode. Raises NotStored."""
        found = self.find(episode)
        if found is None:
            raise NotStored("no such episode", field="episode")
        return found

    def find(self, episode: EpisodeId) -> Episode | None:
        """The episode, if known."""
        return self.find_many([episode]).get(episode)

    def find_many(self, ids: Iterable[EpisodeId]) -> dict[EpisodeId, Episode]:
        """Returns those of these episodes that are stored."""
        found: list[Episode] = []
        for chunk in chunked(list(dict.fromkeys(ids))):
            found += self._select(in_array(episodes.c.id, chunk))
        return {episode.id: episode for episode in found}

    def find_by_enrolment(self, source: SourceId, enrolment: str) -> Episode | None:
        """Returns the episode with this enrolment id of a platform."""
        return self.find_by_enrolments(source, [enrolment]).get(enrolment)

    def find_by_enrolments(self, source: SourceId, enrolments: Iterable[str]) -> Mapping[str, Episode]:
        """Returns the stored episodes of these enrolments of a platform, by enrolment id."""
        found: dict[str, Episode] = {}
        for chunk in chunked(list(dict.fromkeys(enrolments))):
            for episode in self._select(episodes.c.source == source, in_array(episodes.c.enrolment, chunk)):
                found[episode.enrolment or ""] = episode
        return found

    def of_person(self, person: PersonId) -> list[Episode]:
        """Lists the episodes of a person, oldest first."""
        return self._select(episodes.c.person == person)

    def of_people(self, persons: Iterable[PersonId]) -> dict[PersonId, list[Episode]]:
        """The episodes of several people, each oldest first."""
        found: dict[PersonId, list[Episode]] = {}
        for chunk in chunked(list(dict.fromkeys(persons))):
            for episode in self._select(in_array(episodes.c.person, chunk)):
                found.setdefault(episode.person, []).append(episode)
        return found

    def list_all(
        self,
        states: Iterable[EpisodeState] | None = None,
        *,
        after: EpisodeId | None = None,
        limit: int = 1000,
    ) -> list[Episode]:
        """Lists episodes in these states, by id: the next `limit` after an id.

        All states, if none are named.
        """
        conditions: list[sa.ColumnElement[bool]] = (
            [] if states is None else [episodes.c.state.in_([state.value for state in states])]
        )
        if after is not None:
            conditions.append(episodes.c.id > after)
        return self._select(*conditions, order=[episodes.c.id], limit=limit)

    def list_by_name(
        self, states: Iterable[EpisodeState] | None = None, *, offset: int = 0, limit: int = 50
    ) -> list[Episode]:
        """Lists episodes in these states (all, if none are named) by family and given name.

        By offset, not after a name: a URL must not contain a name.
        """
        query = sa.select(episodes.c.id).join(people, people.c.id == episodes.c.person)
        if states is not None:
            query = query.where(episodes.c.state.in_([state.value for state in states]))
        order = (people.c.family, people.c.given, people.c.birth_date, episodes.c.added_at, episodes.c.id)
        ids = list(self._connection.execute(query.order_by(*order).offset(offset).limit(limit)).scalars())
        found = self.find_many(EpisodeId(one) for one in ids)
        return [found[EpisodeId(one)] for one in ids]

    def count_by_state(self) -> dict[EpisodeState, int]:
        """Counts the episodes by state."""
        query = sa.select(episodes.c.state, sa.func.count()).group_by(episodes.c.state)
        return {EpisodeState(state): count for state, count in self._connection.execute(query)}

    def add(self, episode: Episode, *, event: str, by: str, now: datetime) -> None:
        """Stores a new episode with its first move and lessons."""
        self.add_many([episode], event=event, by=by, now=now)

    def add_many(
        self,
        new: Sequence[Episode],
        *,
        event: str,
        by: str,
        now: datetime,
        later_moves: Mapping[EpisodeId, Sequence[tuple[str, str, str]]] | None = None,
    ) -> None:
        """Stores new episodes with their moves and lessons.

        `later_moves`: moves (event, before, after) made since the first one; the episode is stored in its state after
        them.
        """
        at = to_milliseconds(now)
        _ADD(self._connection, [(*row_of(episode), at, at) for episode in new])
        moves: list[tuple[Any, ...]] = []
        for episode in new:
            later = (later_moves or {}).get(episode.id, ())
            moves.append(
                (episode.id, event, None, later[0][1] if later else episode.state.value, by, at, None)
            )
            moves += [(episode.id, *move, by, at, None) for move in later]
        _ADD_MOVES(self._connection, moves)
        _ADD_LESSONS(self._connection, [row for episode in new for row in _lesson_rows(episode)])

    def update(self, episode: Episode, *, now: datetime) -> Episode:
        """Replaces all fields and lessons, except state, consent, doubt and person, which have own methods.

        Raises NotStored.
        """
        own = ("id", "state", "share_with_ehr", "doubtful", "person")
        values = {
            name: value for name, value in zip(COLUMNS, row_of(episode), strict=True) if name not in own
        }
        names = ", ".join(f"{name} = :{name}" for name in values)
        changed = self._connection.execute(
            sa.text(f"UPDATE episodes SET {names}, changed_at = :changed_at WHERE id = :id"),
            {**values, "changed_at": to_milliseconds(now), "id": episode.id},
        )
        if changed.rowcount == 0:
            raise NotStored("no such episode", field="episode")
        self._connection.execute(sa.delete(lessons).where(lessons.c.episode == episode.id))
        _ADD_LESSONS(self._connection, _lesson_rows(episode))
        return self.get(episode.id)

    def move(
        self,
        episode: Episode,
        to: EpisodeState,
        *,
        event: str,
        by: str,
        now: datetime,
        reason: str | None = None,
    ) -> Episode:
        """Moves the episode and adds the move to its history. Raises ChangedMeanwhile."""
        self._change(episode, {"state": episode.state.value}, {"state": to.value}, now)
        self._add_move(episode.id, event, episode.state.value, to.value, by, now, reason)
        return replace(episode, state=to)

    def set_consent(self, episode: Episode, share_with_ehr: bool, *, by: str, now: datetime) -> Episode:
        """Sets the consent and adds the change to the history. Raises ChangedMeanwhile.

        Reads obey at once. Publishing withholds or queues the deliveries.
        """
        before, after = ("yes" if share else "no" for share in (episode.share_with_ehr, share_with_ehr))
        self._change(
            episode, {"share_with_ehr": episode.share_with_ehr}, {"share_with_ehr": share_with_ehr}, now
        )
        self._add_move(episode.id, "share_with_ehr", before, after, by, now, None)
        return replace(episode, share_with_ehr=share_with_ehr)

    def set_doubtful(
        self, episode: Episode, doubtful: bool, *, by: str, now: datetime, reason: str | None = None
    ) -> Episode:
        """Sets or clears the doubt to which person the episode belongs. Raises ChangedMeanwhile."""
        self._change(episode, {"doubtful": episode.doubtful}, {"doubtful": doubtful}, now)
        self._add_move(episode.id, "doubt", str(episode.doubtful), str(doubtful), by, now, reason)
        return replace(episode, doubtful=doubtful)

    def repoint(
        self, episode: Episode, person: PersonId, *, by: str, now: datetime, reason: str | None = None
    ) -> Episode:
        """Moves the episode to another person, by a clinician's decision. Raises ChangedMeanwhile.

        Its responses and flags follow; published resources need new versions.
        """
        self._change(episode, {"person": episode.person}, {"person": person}, now)
        for table in ("responses", "flags"):
            self._connection.execute(
                sa.text(f"UPDATE {table} SET person = :person WHERE episode = :episode"),
                {"person": person, "episode": episode.id},
            )
        self._add_move(episode.id, "same person", episode.person, person, by, now, reason)
        return replace(episode, person=person)

    def merge(self, duplicate: Episode, into: Episode) -> None:
        """Moves everything of one episode to another and deletes the first, by a clinician's decision.

        Only for an episode of which nothing was published. Its dates and lessons are deleted: `update` the other with
        them.
        """
        both = {"duplicate": duplicate.id, "into": into.id}
        for table in ("responses", "flags", "letters", "letters_due", "episode_moves", "work_items"):
            self._connection.execute(
                sa.text(f"UPDATE {table} SET episode = :into WHERE episode = :duplicate"), both
            )
        for table in ("responses", "flags"):
            self._connection.execute(
                sa.text(f"UPDATE {table} SET person = :person WHERE episode = :into"),
                {"person": into.person, "into": into.id},
            )
        # Its open work items follow, unless the other episode has an open one of the same kind.
        self._connection.execute(
            sa.text(
                "UPDATE work_items SET about = :into WHERE about = :duplicate AND kind NOT IN"
                " (SELECT kind FROM work_items WHERE about = :into AND closed_at IS NULL)"
            ),
            {"duplicate": f"episode/{duplicate.id}", "into": f"episode/{into.id}"},
        )
        self._connection.execute(sa.delete(lessons).where(lessons.c.episode == duplicate.id))
        self._connection.execute(sa.delete(episodes).where(episodes.c.id == duplicate.id))

    def set_referral(self, episode: Episode, referral: ReferralId) -> Episode:
        """Sets the referral of the episode."""
        self._connection.execute(
            sa.update(episodes).where(episodes.c.id == episode.id).values(referral=referral)
        )
        return replace(episode, referral=referral)

    def history(self, episode: EpisodeId) -> list[EpisodeMove]:
        """Lists the moves of an episode, oldest first."""
        query = (
            sa.select(episode_moves).where(episode_moves.c.episode == episode).order_by(episode_moves.c.seq)
        )
        return [
            EpisodeMove(row.event, row.before, row.after, row.by, row.at, row.reason)
            for row in self._connection.execute(query)
        ]

    def _change(
        self, episode: Episode, was: Mapping[str, object], values: Mapping[str, object], now: datetime
    ) -> None:
        unchanged = [episodes.c[name] == value for name, value in was.items()]
        changed = self._connection.execute(
            sa.update(episodes)
            .where(episodes.c.id == episode.id, *unchanged)
            .values(**values, changed_at=now)
        )
        if changed.rowcount == 0:
            raise ChangedMeanwhile(field="episode")

    def _add_move(
        self, episode: str, event: str, before: str, after: str, by: str, now: datetime, reason: str | None
    ) -> None:
        _ADD_MOVES(self._connection, [(episode, event, before, after, by, to_milliseconds(now), reason)])

    def _select(
        self,
        *conditions: sa.ColumnElement[bool],
        order: Sequence[sa.ColumnElement[Any]] = (),
        limit: int | None = None,
    ) -> list[Episode]:
        query = (
            sa.select(episodes).where(*conditions).order_by(*(order or (episodes.c.added_at, episodes.c.id)))
        )
        rows = self._connection.execute(query.limit(limit) if limit else query).all()
        done: dict[str, list[Lesson]] = {}
        for chunk in chunked([row.id for row in rows]):
            query = sa.select(lessons).where(in_array(lessons.c.episode, chunk)).order_by(lessons.c.number)
            for row in self._connection.execute(query):
                done.setdefault(row.episode, []).append(Lesson(row.number, row.completed_on))
        return [episode_of(row, done.get(row.id, [])) for row in rows]


def _lesson_rows(episode: Episode) -> list[tuple[Any, ...]]:
    return [(episode.id, lesson.number, lesson.completed_on.isoformat()) for lesson in episode.lessons]
