"""Lists safety answers, each independent of any total score, and their flags."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fhir_pmp.identifiers import InstrumentId, LinkId, ResponseId, TimepointId
from fhir_pmp.instruments.definition import Instrument, SafetyItem
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Flag, Moment, Response, ResponseStatus
from fhir_pmp.pathway.plain_words import NOT_ANSWERED, answer_words
from fhir_pmp.pathway.programme.definition import Timepoint
from fhir_pmp.pathway.programme.timepoints import Absence
from fhir_pmp.pathway.summary.summary_context import SummaryContext

CurrentResponses = Mapping[tuple[InstrumentId, TimepointId], Response]
"""The responses that are not withdrawn, by instrument and timepoint."""


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
        """Whether a received response leaves the item blank."""
        return self.response is not None and self.answer is None

    @property
    def acknowledged(self) -> bool:
        """Whether a clinician has acknowledged the flag of this answer."""
        return self.flag is not None and self.flag.acknowledgement is not None


@dataclass(frozen=True, slots=True)
class FlagLine:
    """One flag, with later changes of its response.

    No change of the response makes a flag inactive.
    """

    flag: Flag
    title: str
    text: str  # the answer that raised it
    timepoint_title: str
    since: str | None  # "the answer has been amended since", "the response has been withdrawn since"


def flagged_answers(instrument: Instrument, response: Response) -> list[tuple[SafetyItem, int]]:
    """Returns the safety answers that reach their threshold; each raises a flag."""
    return [
        (safety, response.answers[safety.item])
        for safety in instrument.safety_items
        if is_alert(safety, response.answers.get(safety.item))
    ]


def is_alert(safety: SafetyItem, answer: int | None) -> bool:
    """Whether the answer reaches the item's published threshold; False without a threshold or answer."""
    return safety.flag_from is not None and answer is not None and answer >= safety.flag_from


def safety_lines(
    context: SummaryContext, current_responses: CurrentResponses, flags: Iterable[Flag]
) -> tuple[SafetyLine, ...]:
    """Makes a line for each safety item and timepoint, if due or received."""
    raised = {(flag.response, flag.item): flag for flag in flags}
    programme = context.clinic.programme
    return tuple(
        _line(
            context,
            timepoint,
            instrument,
            safety,
            current_responses.get((instrument.id, timepoint.id)),
            raised,
        )
        for instrument in (context.clinic.instruments[name] for name in programme.instruments)
        for safety in instrument.safety_items
        for timepoint in programme.timepoints
        if (instrument.id, timepoint.id) in current_responses or instrument.id in timepoint.instruments
    )


def _line(
    context: SummaryContext,
    timepoint: Timepoint,
    instrument: Instrument,
    safety: SafetyItem,
    response: Response | None,
    raised: Mapping[tuple[ResponseId, LinkId], Flag],
) -> SafetyLine:
    item = instrument.item(safety.item)
    absence, answer = None, None
    if response is None:
        absence = context.absence(timepoint, instrument.id)
        text = absence.text
    else:
        answer = response.answers.get(safety.item)
        text = NOT_ANSWERED if answer is None else answer_words(item, answer)
    return SafetyLine(
        instrument=instrument.id,
        item=safety.item,
        title=item.label,
        timepoint=timepoint.id,
        timepoint_title=timepoint.title,
        response=None if response is None else response.id,
        on=None if response is None else response.authored,
        answer=answer,
        text=text,
        alert=is_alert(safety, answer),
        absence=absence,
        amended=response is not None and response.status is ResponseStatus.AMENDED,
        flag=None if response is None else raised.get((response.id, safety.item)),
    )


def flag_lines(
    clinic: ClinicalContext, responses: Sequence[Response], flags: Iterable[Flag]
) -> tuple[FlagLine, ...]:
    """Makes one line for each flag, oldest first.

    Flags of one import are in the order of timepoints.
    """
    by_id = {response.id: response for response in responses}
    place = {timepoint.id: number for number, timepoint in enumerate(clinic.programme.timepoints)}
    lines = []
    for flag in sorted(flags, key=lambda flag: (flag.raised_at, place[flag.timepoint], flag.id)):
        item = clinic.instruments[flag.instrument].item(flag.item)
        title = clinic.programme.timepoint(flag.timepoint).title
        since = _since(flag, by_id.get(flag.response))
        lines.append(FlagLine(flag, item.label, answer_words(item, flag.answer), title, since))
    return tuple(lines)


def _since(flag: Flag, response: Response | None) -> str | None:
    if response is None:
        return None
    if response.status is ResponseStatus.ENTERED_IN_ERROR:
        return "the response has been withdrawn since"
    return "the answer has been amended since" if response.answers.get(flag.item) != flag.answer else None
