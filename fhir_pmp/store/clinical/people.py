"""Stores people and their identifiers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import Identifier, PersonId
from fhir_pmp.pathway.facts import Person, Sex
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.errors import NotStored
from fhir_pmp.store.tables.people import people, person_identifiers

_ADD = BulkInsert(people, "id", "given", "family", "birth_date", "sex", "registered_by", "registered_at")
_ADD_IDENTIFIERS = BulkInsert(person_identifiers, "person", "position", "system", "value")


class People:
    """People, found by id or by exact identifier; never by name."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, person: PersonId) -> Person:
        """Returns the person. Raises NotStored."""
        found = self.find(person)
        if found is None:
            raise NotStored("no such person", field="person")
        return found

    def find(self, person: PersonId) -> Person | None:
        """Returns the person, if stored."""
        return self.find_many([person]).get(person)

    def find_many(self, ids: Iterable[PersonId]) -> dict[PersonId, Person]:
        """Returns those of these people who are stored."""
        wanted = list(dict.fromkeys(ids))
        rows: list[sa.Row[Any]] = []
        identifiers: dict[str, list[Identifier]] = {}
        for chunk in chunked(wanted):
            rows += self._connection.execute(sa.select(people).where(in_array(people.c.id, chunk)))
            query = sa.select(person_identifiers).where(in_array(person_identifiers.c.person, chunk))
            for row in self._connection.execute(query.order_by(person_identifiers.c.position)):
                identifiers.setdefault(row.person, []).append(Identifier(row.system, row.value))
        return {row.id: _person(row, identifiers.get(row.id, [])) for row in rows}

    def find_by_identifier(self, identifier: Identifier) -> list[Person]:
        """Returns the people with exactly this identifier: two while a doubtful record is undecided."""
        return self.find_by_identifiers([identifier])[identifier]

    def find_by_identifiers(self, identifiers: Sequence[Identifier]) -> Mapping[Identifier, list[Person]]:
        """Returns the people with each of these identifiers.

        A duplicate leads to the record that was kept.
        """
        columns = person_identifiers.c
        holders: dict[Identifier, dict[PersonId, None]] = {identifier: {} for identifier in identifiers}
        for chunk in chunked(list(holders)):
            query = (
                sa.select(columns.person, columns.system, columns.value, people.c.same_as)
                .join(people, people.c.id == columns.person)
                .where(columns.value.in_([i.value for i in chunk]))
                .order_by(columns.person)
            )
            for row in self._connection.execute(query):
                key = Identifier(row.system, row.value)
                if key in holders:
                    holders[key][PersonId(row.same_as or row.person)] = None
        known = self.find_many(person for persons in holders.values() for person in persons)
        return {key: [known[person] for person in persons] for key, persons in holders.items()}

    def find_by_value(self, value: str) -> list[Person]:
        """Returns the people with this identifier value, of any issuer: for a clinician's search."""
        query = sa.select(person_identifiers.c.person).where(person_identifiers.c.value == value)
        found = self._connection.execute(query.distinct().order_by(person_identifiers.c.person)).scalars()
        known = self.find_many(PersonId(person) for person in found)
        return list(known.values())

    def add(self, person: Person, *, now: datetime) -> None:
        """Stores a new person."""
        self.add_many([person], now=now)

    def add_many(self, persons: Sequence[Person], *, now: datetime) -> None:
        """Stores new people."""
        at = to_milliseconds(now)
        _ADD(
            self._connection,
            [
                (p.id, p.given, p.family, p.birth_date.isoformat(), p.sex.value, p.registered_by, at)
                for p in persons
            ],
        )
        _ADD_IDENTIFIERS(self._connection, [row for p in persons for row in _identifier_rows(p)])

    def update(self, person: Person) -> None:
        """Replaces name, birth date, sex and identifiers of a known person. Raises NotStored."""
        changed = self._connection.execute(
            sa.update(people)
            .where(people.c.id == person.id)
            .values(
                given=person.given, family=person.family, birth_date=person.birth_date, sex=person.sex.value
            )
        )
        if changed.rowcount == 0:
            raise NotStored("no such person", field="person")
        self._connection.execute(
            sa.delete(person_identifiers).where(person_identifiers.c.person == person.id)
        )
        _ADD_IDENTIFIERS(self._connection, _identifier_rows(person))

    def mark_duplicate(self, duplicate: PersonId, kept: PersonId) -> None:
        """Records a clinician's decision that two records are the same person. Raises NotStored.

        Records merged into the duplicate before follow it. Episodes and referrals are re-pointed by their own
        repositories, and published resources by new versions.
        """
        changed = self._connection.execute(
            sa.update(people)
            .where(sa.or_(people.c.id == duplicate, people.c.same_as == duplicate))
            .values(same_as=kept)
        )
        if changed.rowcount == 0:
            raise NotStored("no such person", field="person")

    def same_as(self, person: PersonId) -> PersonId | None:
        """Returns the record of which this one is a duplicate, if any."""
        found = self._connection.execute(sa.select(people.c.same_as).where(people.c.id == person)).scalar()
        return None if found is None else PersonId(found)


def _identifier_rows(person: Person) -> list[tuple[Any, ...]]:
    return [(person.id, n, i.system, i.value) for n, i in enumerate(person.identifiers)]


def _person(row: sa.Row[Any], identifiers: list[Identifier]) -> Person:
    return Person(
        id=PersonId(row.id),
        given=row.given,
        family=row.family,
        birth_date=row.birth_date,
        sex=Sex(row.sex),
        identifiers=tuple(identifiers),
        registered_by=row.registered_by,
    )
