"""Opens work items with questions that only a clinician can decide."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.store import UnitOfWork

WHO_IS_THIS = "who_is_this"
"""The person of an enrolment or referral is uncertain.

`details` holds the possible persons as `others` and, if one was quoted, the `referral`.
"""
PERSON_DIFFERS = "person_differs"
"""A source's data about a person differ from the data that registered the person."""
ENROLMENT_WAITS = "enrolment_waits"
"""An enrolment names a referral that no clinician has accepted yet."""
REFERRAL_NAMED_LATE = "referral_named_late"
"""An enrolment that began without a referral now names one."""
ENDING_DIFFERS = "ending_differs"
"""The platform reports another ending for an episode that has ended."""
EHR_LINK_FORGOTTEN = "ehr_link_forgotten"
"""Data by which an EHR matched a person were corrected; `details` names the `destinations`."""
SAFETY_NOT_ANSWERED = "safety_not_answered"
"""A response leaves a safety item blank."""
REFERRAL_NOT_UNDERSTOOD = "referral_not_understood"
"""A referral was refused because it breaks the agreed profile."""
REFERRAL_DIFFERS = "referral_differs"
"""A referral was sent again with other content."""


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
    """Opens a work item for a clinician, unless the last one asked the same.

    The last item of this kind is compared by its details. The same export is imported many times; a question
    that a clinician has closed must not come back each time.
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
