"""What only a person can decide about an arrival: asked on the worklist, and not asked again once it is answered."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.store import UnitOfWork

WHO_IS_THIS = "who_is_this"
"""Who an enrolment or a referral is about; its `details` name the `others` and, if one was quoted, the `referral`."""
PERSON_DIFFERS = "person_differs"
"""A door says something else of a person than the one that registered them."""
ENROLMENT_WAITS = "enrolment_waits"
"""An enrolment names a referral that nobody has accepted yet."""
REFERRAL_NAMED_LATE = "referral_named_late"
"""An enrolment that began without a referral now names one."""
ENDING_DIFFERS = "ending_differs"
"""The platform says of an ended episode that it ended in another way."""

EHR_LINK_FORGOTTEN = "ehr_link_forgotten"
"""What a destination found a person by was corrected; its `details` name the `destinations`."""


def ask_clinician(
    uow: UnitOfWork,
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
    last = uow.work_items.find_last(kind, about)
    if last is not None and dict(last.details) == dict(details):
        return
    uow.work_items.open(
        kind,
        role="clinician",
        about=about,
        what=what,
        person=person,
        episode=episode,
        details=details,
        now=now,
    )
