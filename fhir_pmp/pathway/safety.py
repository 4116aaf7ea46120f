"""The safety answers, each on its own whatever the total, and the flags they raised."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fhir_pmp.identifiers import InstrumentId, LinkId, ResponseId, TimepointId
from fhir_pmp.instruments.definition import Instrument, Item, SafetyItem
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import Episode, Flag, Moment, Response, ResponseStatus
from fhir_pmp.pathway.timepoints import Absence, absence_of_response

NOT_ANSWERED = "not answered"
"""The wording for a safety item left blank in a response that was received: never a zero, never reassurance."""

Placed = Mapping[tuple[InstrumentId, TimepointId], Response]
"""The responses that stand, by instrument and timepoint."""


@dataclass(frozen=True, slots=True)
class SafetyLine:
    """One safety item at one timepoint."""

    instrument: InstrumentId
    item: LinkId
    title: str
    timepoint: TimepointId
    timepoint_title: str
    response: ResponseId | None
    on: Moment | None
    answer: int | None
    text: str  # "not at all (0)", "not answered", or the wording of the absence
    alert: bool  # the answer is at or above the item's flag_from
    absence: Absence | None  # no response at all
    amended: bool
    flag: Flag | None

    @property
    def unanswered(self) -> bool:
        """A response is there and leaves the item blank."""
        return self.response is not None and self.answer is None

    @property
    def acknowledged(self) -> bool:
        """A flag was raised and a clinician has acted on it."""
        return self.flag is not None and self.flag.acknowledgement is not None


@dataclass(frozen=True, slots=True)
class FlagLine:
    """One flag, and what became of the response that raised it. Neither fate makes a flag inactive."""

    flag: Flag
    title: str
    text: str  # the answer that raised it
    timepoint_title: str
    since: str | None  # "the answer has been amended since", "the response has been withdrawn since"


def raised_by(instrument: Instrument, response: Response) -> list[tuple[SafetyItem, int]]:
    """The safety items whose answer reaches their threshold, with the answer: each raises a flag."""
    return [
        (safety, response.answers[safety.item])
        for safety in instrument.safety_items
        if is_alert(safety, response.answers.get(safety.item))
    ]


def is_alert(safety: SafetyItem, answer: int | None) -> bool:
    """Whether the answer reaches the item's published threshold; without one, or unanswered, it never does."""
    return safety.flag_from is not None and answer is not None and answer >= safety.flag_from


def answer_text(item: Item, answer: int) -> str:
    """The answer as a letter writes it: "several days (1)"; for a 0-10 item the number alone."""
    label = next((option.label for option in item.options if option.value == answer), None)
    return str(answer) if label is None else f"{label[:1].lower()}{label[1:]} ({answer})"


def safety_lines(
    clinic: Clinic, episode: Episode, placed: Placed, flags: Iterable[Flag], now: datetime
) -> tuple[SafetyLine, ...]:
    """Every safety item at every timepoint where its instrument is due or was received."""
    raised = {(flag.response, flag.item): flag for flag in flags}
    lines: list[SafetyLine] = []
    for instrument in (clinic.instruments[name] for name in clinic.programme.instruments):
        for safety in instrument.safety_items:
            item = instrument.item(safety.item)
            for timepoint in clinic.programme.timepoints:
                response = placed.get((instrument.id, timepoint.id))
                if response is None and instrument.id not in timepoint.instruments:
                    continue
                answer = response.answers.get(safety.item) if response else None
                absence = None
                if response is None:
                    absence = absence_of_response(timepoint, episode, instrument.id, now, clinic.zone)
                    text = absence.text
                else:
                    text = NOT_ANSWERED if answer is None else answer_text(item, answer)
                lines.append(
                    SafetyLine(
                        instrument=instrument.id,
                        item=safety.item,
                        title=item.label,
                        timepoint=timepoint.id,
                        timepoint_title=timepoint.title,
                        response=response.id if response else None,
                        on=response.authored if response else None,
                        answer=answer,
                        text=text,
                        alert=is_alert(safety, answer),
                        absence=absence,
                        amended=response is not None and response.status is ResponseStatus.AMENDED,
                        flag=raised.get((response.id, safety.item)) if response else None,
                    )
                )
    return tuple(lines)


def flag_lines(clinic: Clinic, responses: Sequence[Response], flags: Iterable[Flag]) -> tuple[FlagLine, ...]:
    """The flags, the oldest first, each with what became of its response."""
    by_id = {response.id: response for response in responses}
    lines = []
    for flag in sorted(flags, key=lambda flag: (flag.raised_at, flag.id)):
        item = clinic.instruments[flag.instrument].item(flag.item)
        title = clinic.programme.timepoint(flag.timepoint).title
        since = _since(flag, by_id.get(flag.response))
        lines.append(FlagLine(flag, item.label, answer_text(item, flag.answer), title, since))
    return tuple(lines)


def _since(flag: Flag, response: Response | None) -> str | None:
    if response is None:
        return None
    if response.status is ResponseStatus.ENTERED_IN_ERROR:
        return "the response has been withdrawn since"
    return "the answer has been amended since" if response.answers.get(flag.item) != flag.answer else None
