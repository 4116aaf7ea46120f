"""What only a person can decide about an arrival: asked on the worklist, and not asked again once it is answered."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.store import Books

WHO_IS_THIS = "who_is_this"
"""Who an enrolment or a referral is about; its `details` name the `others` and, if one was quoted, the `referral`."""
PERSON_DIFFERS = "person_differs"
"""A door says something else of a person than the one that registered them."""
WAITING = "enrolment_waits"
"""An enrolment names a referral that nobody has accepted yet."""
NAMED_LATE = "referral_named_late"
"""An enrolment that began without a referral now names one."""
ENDING_DIFFERS = "ending_differs"
"""The platform says of an ended episode that it ended in another way."""

FOUND_ELSEWHERE = "person_found_by_what_was_corrected"
"""What a destination found a person by was corrected; its `details` name the `destinations`."""


def ask(
    books: Books,
    kind: str,
    about: str,
    what: str,
    *,
    person: PersonId | None,
    episode: EpisodeId | None,
    details: Mapping[str, Any],
    now: datetime,
) -> None:
    """Opens a work item for a clinician, unless one stands, or the last one asked exactly this and was closed.

    An export is given again and again: what somebody has decided does not come back with each of them.
    """
    last = books.work_items.find_last(kind, about)
    if last is not None and dict(last.details) == dict(details):
        return
    books.work_items.open(
        kind,
        role="clinician",
        about=about,
        what=what,
        person=person,
        episode=episode,
        details=details,
        now=now,
    )
