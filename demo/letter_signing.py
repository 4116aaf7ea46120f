"""Signs discharge letters in the demo and checks which practice can read them."""

import time
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from demo.page_client import PageClient, PageRefused
from demo.people import Person
from demo.practice_system import PracticeSystem, PracticeSystems, SubmittedReferral

SECONDS_TO_DRAFT = 120
"""The sync process drafts fifty letters at a time, and delivers as well."""
COMMENT = "This letter is part of a demonstration: the person, the practice and every answer are invented."


@dataclass(frozen=True)
class SignedLetter:
    """One signed discharge letter, and the state of its referral as the practice reads it."""

    record: str
    person: str  # "Patient/…"
    ended: str
    pdf: Path
    page: str
    practice: str
    task: str  # "Task/…"
    task_status: str
    shares: bool
    document: str | None  # "DocumentReference/…" of Task.output whose PDF is exactly the one signed
    status_for_another_practice: int

    @property
    def is_as_promised(self) -> bool:
        """Whether the Task has ended and exactly the right practice reads the letter.

        The own practice reads it where the person shares; another practice gets 404.
        """
        ended = "failed" if self.ended == "never_started" else "completed"
        read = (self.document is not None) == self.shares
        return self.task_status == ended and read and self.status_for_another_practice == 404

    @property
    def line(self) -> str:
        """The result in one line of text."""
        reads = "reads the letter" if self.document else "reads no letter"
        why = "" if self.shares else " (the person does not share)"
        return (
            f"{self.record}, {self.ended.replace('_', ' ')}: {self.task} is {self.task_status}; {self.practice} "
            f"{reads}{why}; another practice gets {self.status_for_another_practice}"
        )


def sign_letters(
    pages: PageClient,
    people: list[Person],
    referred: Mapping[str, SubmittedReferral],
    practices: PracticeSystems,
    folder: Path,
) -> list[SignedLetter]:
    """Signs a letter for each kind of ending unless signed; a finished person first."""
    signed = []
    for person in _choose_one_of_each_ending([one for one in people if one.record_id in referred]):
        known = referred[person.record_id]
        letter = _discharge_letter(pages, known.patient.split("/")[1])
        if any(form.action == f"{letter}/preview" for form in pages.forms(letter)):
            sign_draft(pages, letter, {"comment": COMMENT})
        pdf = folder / f"discharge-letter-{person.record_id}.pdf"
        pdf.write_bytes(pages.fetch(f"{letter}/letter.pdf"))
        signed.append(_read_as_practices(person, known, practices, letter, pdf))
    return signed


def sign_draft(pages: PageClient, letter: str, typed: Mapping[str, str]) -> None:
    """Fills in a draft's fields, reads the preview, and signs exactly that PDF."""
    preview = pages.submit(letter, f"{letter}/preview", typed)
    form = pages.form(preview, f"{letter}/sign")
    shown = pages.fetch(f"{letter}/preview.pdf")
    if sha256(shown).hexdigest() != form.fields["preview_hash"]:
        raise PageRefused("the form would sign another PDF than the one shown")
    pages.follow(form)


def _choose_one_of_each_ending(referred: list[Person]) -> list[Person]:
    """Chooses the person with the most responses of each kind.

    The kinds are: finished, stopped, never started, and not sharing.
    """
    by_response_count = sorted(referred, key=lambda person: -len(person.responses))
    kinds = [
        [one for one in by_response_count if one.share_with_ehr and one.ended_how == how] for how in _HOW
    ]
    kinds.append([one for one in by_response_count if not one.share_with_ehr and one.ended_how])
    return [kind[0] for kind in kinds if kind]


_HOW = ("finished", "stopped", "never_started")


def _discharge_letter(pages: PageClient, person: str) -> str:
    """Waits until the sync process has drafted a person's discharge letter; returns its address."""
    deadline = time.monotonic() + SECONDS_TO_DRAFT
    while time.monotonic() < deadline:
        for link in pages.links(f"/people/{person}", r"/letters/[^/]+"):
            if "Discharge letter" in link.line:
                return link.href
        time.sleep(1)
    raise PageRefused("a discharge letter is due but was not drafted")


def _read_as_practices(
    person: Person, known: SubmittedReferral, practices: PracticeSystems, letter: str, pdf: Path
) -> SignedLetter:
    own, other = practices.for_person(person), practices.other_practice(person)
    task = own.read(known.task)
    document = _document(own, task, pdf.read_bytes())
    return SignedLetter(
        record=person.record_id,
        person=known.patient,
        ended=str(person.ended_how),
        pdf=pdf,
        page=letter,
        practice=person.practice.name,
        task=known.task,
        task_status=task["status"],
        shares=bool(person.share_with_ehr),
        document=document,
        status_for_another_practice=other.status(document or known.task),
    )


def _document(practice: PracticeSystem, task: Mapping[str, Any], pdf: bytes) -> str | None:
    """Returns the Task's output document with exactly this PDF, as the practice reads it."""
    for output in task.get("output", []):
        reference = str(output["valueReference"]["reference"])
        if any(b64decode(one) == pdf for one in _attached(practice.read(reference))):
            return reference
    return None


def _attached(document: Mapping[str, Any]) -> list[str]:
    attachments = [content["attachment"] for content in document.get("content", [])]
    return [one["data"] for one in attachments if "data" in one]
