"""Stores letters: drafts to edit, previews to sign, and signed letters, which never change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import orjson
import sqlalchemy as sa

from fhir_pmp.identifiers import EpisodeId, LetterId, ResourceId
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import chunked
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored
from fhir_pmp.store.tables.letters import letters
from fhir_pmp.store.tables.people import episodes
from fhir_pmp.store.tables.published import published


class LetterState(StrEnum):
    """The state of a letter."""

    DRAFT = "draft"
    SIGNED = "signed"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Preview:
    """The exact PDF a clinician saw, with name and day; the signature confirms its hash."""

    hash: str  # sha256 hex of the PDF
    pdf: bytes
    by: str  # account id
    on: date  # in the clinic's zone; it expires at midnight
    pinned: str  # JSON: the facts it shows


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter without its PDF, which is read separately."""

    id: LetterId
    episode: EpisodeId
    kind: LetterKind
    number: int
    state: LetterState
    fields: Mapping[str, str]  # the four editable ones
    pinned: str  # JSON: the facts it was written from
    replaces: LetterId | None
    drafted_at: datetime
    changed_at: datetime
    pdf_hash: str | None
    document_reference_id: ResourceId | None
    bundle_id: ResourceId | None
    signed_by: str | None  # account id; "automatic" for a receipt
    signed_at: datetime | None


_REVIEWED_TYPES = ("QuestionnaireResponse", "Patient", "EpisodeOfCare")
"""The types whose new versions may contradict a letter."""
_REVIEWED_KINDS = tuple(kind.value for kind in LetterKind if kind.definition.states_outcomes)

_LETTER_COLUMNS = [
    letters.c[name]
    for name in (
        "id",
        "episode",
        "kind",
        "number",
        "state",
        "fields",
        "pinned",
        "replaces",
        "drafted_at",
        "changed_at",
        "pdf_hash",
        "document_reference_id",
        "bundle_id",
        "signed_by",
        "signed_at",
    )
]


class Letters:
    """Stores letters and finds them by id and by episode.

    Their content and the right to sign are decided in `fhir_pmp.letters`.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, letter: LetterId) -> Letter:
        """Returns the letter. Raises NotStored."""
        found = self._select(letters.c.id == letter)
        if not found:
            raise NotStored("no such letter", field="letter")
        return found[0]

    def find_by_document(self, document_reference: ResourceId) -> Letter | None:
        """Returns the signed letter of this DocumentReference."""
        found = self._select(letters.c.document_reference_id == document_reference)
        return found[0] if found else None

    def of_episode(self, episode: EpisodeId, kind: LetterKind | None = None) -> list[Letter]:
        """Lists the episode's letters, by kind and number."""
        found = self.of_episodes([episode]).get(episode, [])
        return [letter for letter in found if kind is None or letter.kind is kind]

    def of_episodes(self, episodes: Iterable[EpisodeId]) -> dict[EpisodeId, list[Letter]]:
        """Returns the letters of many episodes, each by kind and number."""
        found: dict[EpisodeId, list[Letter]] = {}
        for chunk in chunked(list(dict.fromkeys(episodes))):
            for letter in self._select(in_array(letters.c.episode, chunk)):
                found.setdefault(letter.episode, []).append(letter)
        return found

    def list_signed(self, episode: EpisodeId) -> list[Letter]:
        """Lists the episode's signed letters, also those replaced since, oldest first."""
        found = self._select(letters.c.episode == episode, letters.c.signed_at.is_not(None))
        return sorted(found, key=lambda letter: (letter.signed_at or letter.drafted_at, letter.number))

    def list_drafts(self) -> list[Letter]:
        """Lists the letters that wait for a signature."""
        return self._select(letters.c.state == LetterState.DRAFT.value)

    def next_number(self, episode: EpisodeId, kind: LetterKind) -> int:
        """Returns the number of the episode's next letter of this kind, from 1."""
        query = sa.select(sa.func.max(letters.c.number)).where(
            letters.c.episode == episode, letters.c.kind == kind.value
        )
        return (self._connection.execute(query).scalar() or 0) + 1

    def add_draft(
        self,
        letter: LetterId,
        *,
        episode: EpisodeId,
        kind: LetterKind,
        number: int,
        fields: Mapping[str, str],
        pinned: str,
        replaces: LetterId | None,
        now: datetime,
    ) -> Letter:
        """Stores a new draft."""
        self._connection.execute(
            sa.insert(letters).values(
                id=letter,
                episode=episode,
                kind=kind.value,
                number=number,
                state=LetterState.DRAFT.value,
                fields=orjson.dumps(fields).decode(),
                pinned=pinned,
                replaces=replaces,
                drafted_at=now,
                changed_at=now,
            )
        )
        return self.get(letter)

    def edit(
        self,
        letter: LetterId,
        *,
        now: datetime,
        fields: Mapping[str, str] | None = None,
        pinned: str | None = None,
    ) -> Letter:
        """Changes fields or facts of a draft; an earlier preview becomes invalid. Raises ChangedMeanwhile."""
        values: dict[str, Any] = {
            "changed_at": now,
            "preview_hash": None,
            "preview_pdf": None,
        }
        if fields is not None:
            values["fields"] = orjson.dumps(fields).decode()
        if pinned is not None:
            values["pinned"] = pinned
        self._change_draft(letter, values)
        return self.get(letter)

    def set_preview(self, letter: LetterId, preview: Preview) -> None:
        """Stores the preview shown; only the newest one can be signed. Raises ChangedMeanwhile."""
        self._change_draft(
            letter,
            {
                "preview_hash": preview.hash,
                "preview_pdf": preview.pdf,
                "preview_by": preview.by,
                "preview_on": preview.on,
                "preview_pinned": preview.pinned,
            },
        )

    def preview(self, letter: LetterId) -> Preview | None:
        """Returns the newest preview, if it is still valid."""
        row = self._connection.execute(sa.select(letters).where(letters.c.id == letter)).one_or_none()
        if row is None or row.preview_hash is None:
            return None
        return Preview(
            row.preview_hash,
            row.preview_pdf,
            row.preview_by,
            row.preview_on,
            row.preview_pinned,
        )

    def sign(
        self,
        letter: LetterId,
        *,
        pdf: bytes,
        pdf_hash: str,
        pinned: str,
        document_reference_id: ResourceId,
        bundle_id: ResourceId,
        by: str,
        now: datetime,
    ) -> Letter:
        """Signs the letter; from now on the database refuses any change. Raises ChangedMeanwhile."""
        self._change_draft(
            letter,
            {
                "state": LetterState.SIGNED.value,
                "pdf": pdf,
                "pdf_hash": pdf_hash,
                "pinned": pinned,
                "document_reference_id": document_reference_id,
                "bundle_id": bundle_id,
                "signed_by": by,
                "signed_at": now,
                "changed_at": now,
                "preview_pdf": None,
            },
        )
        return self.get(letter)

    def mark_replaced(self, letter: LetterId) -> Letter:
        """Marks a signed letter as replaced by another; its PDF is kept. Raises ChangedMeanwhile."""
        changed = self._connection.execute(
            sa.update(letters)
            .where(letters.c.id == letter, letters.c.state == LetterState.SIGNED.value)
            .values(state=LetterState.REPLACED.value)
        )
        if changed.rowcount == 0:
            raise ChangedMeanwhile("it is not a signed letter", field="letter")
        return self.get(letter)

    def discard(self, letter: LetterId) -> None:
        """Deletes an unsigned draft. Raises ChangedMeanwhile."""
        dropped = self._connection.execute(
            sa.delete(letters).where(letters.c.id == letter, letters.c.state == LetterState.DRAFT.value)
        )
        if dropped.rowcount == 0:
            raise ChangedMeanwhile("it is not a draft", field="letter")

    def pdf(self, letter: LetterId) -> bytes:
        """Returns the signed PDF. Raises NotStored for a letter that is not signed."""
        found: bytes | None = self._connection.execute(
            sa.select(letters.c.pdf).where(letters.c.id == letter)
        ).scalar()
        if found is None:
            raise NotStored("no signed letter of that id", field="letter")
        return found

    def list_to_review(self, *, limit: int = 100) -> list[Letter]:
        """Lists signed discharge letters about people with resources published since the last review."""
        reviewed = sa.func.coalesce(letters.c.reviewed_up_to, 0)
        has_news = sa.exists().where(
            published.c.person == episodes.c.person,
            published.c.type.in_(_REVIEWED_TYPES),
            published.c.last_updated > reviewed,
        )
        query = (
            sa.select(*_LETTER_COLUMNS)
            .join(episodes, episodes.c.id == letters.c.episode)
            .where(
                letters.c.state == LetterState.SIGNED.value,
                letters.c.kind.in_(_REVIEWED_KINDS),
                has_news,
            )
            .order_by(letters.c.signed_at)
            .limit(limit)
        )
        return [_letter(row) for row in self._connection.execute(query)]

    def mark_reviewed(self, letter: LetterId, up_to: int) -> None:
        """Records that the letter was compared with everything published up to `up_to` (milliseconds)."""
        self._connection.execute(
            sa.update(letters).where(letters.c.id == letter).values(reviewed_up_to=up_to)
        )

    def request_review(self, episodes: Iterable[EpisodeId]) -> None:
        """Makes the signed letters of these episodes due for review.

        Needed after a change that publishes nothing, because no review would notice it.
        """
        for chunk in chunked(list(dict.fromkeys(episodes))):
            self._connection.execute(
                sa.update(letters)
                .where(in_array(letters.c.episode, chunk), letters.c.state == LetterState.SIGNED.value)
                .values(reviewed_up_to=None)
            )

    def _change_draft(self, letter: LetterId, values: Mapping[str, Any]) -> None:
        changed = self._connection.execute(
            sa.update(letters)
            .where(letters.c.id == letter, letters.c.state == LetterState.DRAFT.value)
            .values(**values)
        )
        if changed.rowcount == 0:
            raise ChangedMeanwhile("it is not a draft", field="letter")

    def _select(self, *conditions: sa.ColumnElement[bool]) -> list[Letter]:
        query = (
            sa.select(*_LETTER_COLUMNS)
            .where(*conditions)
            .order_by(letters.c.drafted_at, letters.c.kind, letters.c.number)
        )
        return [_letter(row) for row in self._connection.execute(query)]


def _letter(row: sa.Row[Any]) -> Letter:
    values = dict(row._mapping)
    values["kind"] = LetterKind(row.kind)
    values["state"] = LetterState(row.state)
    values["fields"] = orjson.loads(row.fields)
    return Letter(**values)
