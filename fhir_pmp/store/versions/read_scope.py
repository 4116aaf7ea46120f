"""Defines readers, and the SQL conditions for the published rows that each may see."""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from fhir_pmp.identifiers import ClientId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.store.tables.people import episodes, referrals
from fhir_pmp.store.tables.published import published


class ReadScope(StrEnum):
    """The kinds of readers, by what they may see."""

    SHARED = "shared"  # an EHR: the referral side, definitions, and records while their episode is shared
    OWN = "own"  # a practice: what it owns, and definitions
    EVERYTHING = "everything"  # the program itself and its clinicians


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader for whom resources are read. Every read requires one."""

    scope: ReadScope
    client: ClientId | None = None

    @classmethod
    def ehr(cls, client: ClientId) -> "Reader":
        """An EHR that is registered to read."""
        return cls(ReadScope.SHARED, client)

    @classmethod
    def practice(cls, client: ClientId) -> "Reader":
        """A practice that is registered to refer."""
        return cls(ReadScope.OWN, client)

    @classmethod
    def internal(cls) -> "Reader":
        """A clinician, or the program itself."""
        return cls(ReadScope.EVERYTHING)

    @property
    def parameters(self) -> dict[str, str | None]:
        """The parameters of a statement with `visible_to`."""
        return {_CLIENT_PARAMETER: self.client}


_CLIENT_PARAMETER = "reading_client"


def visible_to(scope: ReadScope) -> sa.ColumnElement[bool]:
    """The condition on `published` for the rows visible in a scope, by the present consent.

    It is the same for every reader of a scope, so that statements are cached; `Reader.parameters` adds the reader.
    """
    if scope is ReadScope.EVERYTHING:
        return sa.true()
    client = sa.bindparam(_CLIENT_PARAMETER, type_=sa.Text())
    definition = published.c.sharing == Sharing.DEFINITION.value
    referral = published.c.sharing == Sharing.REFERRAL.value
    record = sa.and_(published.c.sharing == Sharing.RECORD.value, is_shared())
    if scope is ReadScope.SHARED:
        return sa.or_(definition, referral, record)
    # A Patient has no single owner: two practices may have referred the same person. Each sees only its own earlier
    # versions, because those hold what one practice wrote before the other referred.
    referred = sa.exists().where(
        published.c.type == "Patient",
        published.c.superseded_at.is_(None),
        referrals.c.person == published.c.person,
        referrals.c.client == client,
    )
    owned = sa.or_(published.c.owner == client, referred)
    return sa.or_(definition, sa.and_(owned, sa.or_(referral, record)))


def is_shared() -> sa.ColumnElement[bool]:
    """The condition that the row's episode is shared.

    For a row without an episode, one shared episode of the person is enough.
    """
    return sa.exists().where(
        episodes.c.person == published.c.person,
        sa.or_(published.c.episode.is_(None), episodes.c.id == published.c.episode),
        episodes.c.share_with_ehr,
        sa.not_(episodes.c.doubtful),
    )
