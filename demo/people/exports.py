"""Writes the platform's exports: wide (a row per timepoint) or long (per answer).

The wide export has the columns of a REDCap export.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TextIO

from demo.people.person import Instrument, Person, Response, Timepoint
from demo.people.questionnaires import ITEMS, LESSONS

EVENTS: dict[Timepoint, str] = {
    "screening": "screening_arm_1",
    "start": "start_arm_1",
    "post": "post_arm_1",
    "follow_up": "followup_arm_1",
}

PERSON_COLUMNS = (
    "given_name",
    "family_name",
    "birth_date",
    "sex",
    "medicare_number",
    "referral_number",
    "share_with_ehr",
    "gp_practice_id",
    "gp_practice_name",
    "gp_provider_id",
    "gp_name",
    "enrolled_on",
    "started_on",
    *(f"lesson_{number}_on" for number in range(1, LESSONS + 1)),
    "ended_on",
    "ended_how",
    "stop_reason",
)


def _instrument_columns(instrument: Instrument) -> tuple[str, ...]:
    return (
        f"{instrument}_date",
        f"{instrument}_amends",
        *(f"{instrument}_{item}" for item in ITEMS[instrument]),
    )


WIDE_COLUMNS = (
    "record_id",
    "redcap_event_name",
    *PERSON_COLUMNS,
    *(column for instrument in ITEMS for column in _instrument_columns(instrument)),
)
LONG_COLUMNS = (
    "record_id",
    "response_id",
    "timepoint",
    "instrument",
    "answered_at",
    "amends",
    "item",
    "value",
)

_NOT_GIVEN = {instrument: [""] * len(_instrument_columns(instrument)) for instrument in ITEMS}
_CONSENT = {True: "1", False: "0", None: ""}
_AMENDS = "1"


def write_wide_csv(people: Iterable[Person], file: TextIO, *, amendments: bool = False) -> int:
    """Write a row per person and timepoint; return how many responses were written.

    Open the file with `newline=""` and UTF-8. With `amendments` it writes the later export: only the rows with a
    corrected response, marked in `<instrument>_amends`; the row's other responses are unchanged.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(WIDE_COLUMNS)
    written = 0
    for person in people:
        about = _about(person)
        for timepoint, responses, amended in _rows(person, amendments=amendments):
            cells = [cell for instrument in ITEMS for cell in _cells(instrument, responses, amended)]
            writer.writerow([person.record_id, EVENTS[timepoint], *about, *cells])
            written += len(responses)
    return written


def write_long_csv(people: Iterable[Person], file: TextIO, *, amendments: bool = False) -> int:
    """Write a row per answer, grouped by response; return how many responses were written.

    An item is named `<instrument>-<item>`; a blank answer is a row with an empty `value`. With `amendments` it writes
    the later export: only the corrected responses, each under the `response_id` that it amends.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(LONG_COLUMNS)
    written = 0
    for person in people:
        for response in person.amended if amendments else person.responses:
            writer.writerows(_answer_rows(person, response, _AMENDS if amendments else ""))
            written += 1
    return written


def _answer_rows(person: Person, response: Response, amends: str) -> Iterator[list[str | int]]:
    start: list[str | int] = [
        person.record_id,
        response.response_id,
        response.timepoint,
        response.instrument,
        response.answered_at.isoformat(),
        amends,
    ]
    for item in ITEMS[response.instrument]:
        yield [*start, f"{response.instrument}-{item}", _shown(response.answers[item])]


def _rows(
    person: Person, *, amendments: bool
) -> Iterator[tuple[Timepoint, dict[Instrument, Response], set[Instrument]]]:
    """Yields each timepoint's responses by instrument, and which of them are amended."""
    corrected = {response.response_id: response for response in person.amended} if amendments else {}
    for timepoint, group in groupby(person.responses, key=lambda response: response.timepoint):
        as_sent = {response.instrument: corrected.get(response.response_id, response) for response in group}
        amended = {
            instrument for instrument, response in as_sent.items() if response.response_id in corrected
        }
        if amended or not amendments:
            yield timepoint, as_sent, amended
    if not person.responses and not amendments:
        # A person who is enrolled but has not answered still gets a row.
        yield "screening", {}, set()


def _cells(
    instrument: Instrument, responses: dict[Instrument, Response], amended: set[Instrument]
) -> list[str | int]:
    response = responses.get(instrument)
    if response is None:
        return list(_NOT_GIVEN[instrument])
    answers = [_shown(response.answers[item]) for item in ITEMS[instrument]]
    return [response.answered_at.date().isoformat(), _AMENDS if instrument in amended else "", *answers]


def _shown(answer: int | None) -> int | str:
    return "" if answer is None else answer


def _about(person: Person) -> list[str]:
    """Returns the person's columns, the same in each row, in the order of `PERSON_COLUMNS`."""
    lessons = [done.isoformat() for done in person.lessons_on]
    return [
        person.given_name,
        person.family_name,
        person.birth_date.isoformat(),
        person.sex,
        person.medicare_number or "",
        person.referral_number or "",
        _CONSENT[person.share_with_ehr],
        person.practice.identifier,
        person.practice.name,
        person.practitioner.provider_id,
        person.practitioner.name,
        person.enrolled_on.isoformat(),
        person.started_on.isoformat() if person.started_on else "",
        *lessons,
        *[""] * (LESSONS - len(lessons)),
        person.ended_on.isoformat() if person.ended_on else "",
        person.ended_how or "",
        person.stop_reason or "",
    ]
