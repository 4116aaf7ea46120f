"""Lists answers that are shown by label and never summed, such as satisfaction."""

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_pmp.identifiers import InstrumentId, LinkId, TimepointId
from fhir_pmp.instruments.definition import Instrument, Item
from fhir_pmp.pathway.facts import Moment, Response, ResponseStatus
from fhir_pmp.pathway.plain_words import NOT_ANSWERED, label_words
from fhir_pmp.pathway.programme.definition import Timepoint
from fhir_pmp.pathway.programme.timepoints import Absence
from fhir_pmp.pathway.summary.summary_context import SummaryContext


@dataclass(frozen=True, slots=True)
class CategoryLine:
    """One item of an instrument without a scale at one timepoint."""

    instrument: InstrumentId
    instrument_title: str
    item: LinkId
    title: str
    timepoint: TimepointId
    timepoint_title: str
    on: Moment | None
    answer: int | None
    text: str  # the answer's label, "not answered", or the wording of the absence
    absence: Absence | None
    amended: bool


def category_lines(
    context: SummaryContext,
    instruments: Iterable[Instrument],
    current_responses: dict[tuple[InstrumentId, TimepointId], Response],
) -> tuple[CategoryLine, ...]:
    """Returns one line for each item of instruments without a scale, wherever due or received."""
    return tuple(
        _line(context, timepoint, instrument, item, current_responses.get((instrument.id, timepoint.id)))
        for instrument in instruments
        if not instrument.scales
        for timepoint in context.clinic.programme.timepoints
        if (instrument.id, timepoint.id) in current_responses or instrument.id in timepoint.instruments
        for item in instrument.items
    )


def _line(
    context: SummaryContext,
    timepoint: Timepoint,
    instrument: Instrument,
    item: Item,
    response: Response | None,
) -> CategoryLine:
    absence, answer = None, None
    if response is None:
        absence = context.absence(timepoint, instrument.id)
        text = absence.text
    else:
        answer = response.answers.get(item.link_id)
        text = NOT_ANSWERED if answer is None else label_words(item, answer)
    return CategoryLine(
        instrument=instrument.id,
        instrument_title=instrument.title,
        item=item.link_id,
        title=item.label,
        timepoint=timepoint.id,
        timepoint_title=timepoint.title,
        on=None if response is None else response.authored,
        answer=answer,
        text=text,
        absence=absence,
        amended=response is not None and response.status is ResponseStatus.AMENDED,
    )
