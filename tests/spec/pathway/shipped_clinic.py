"""The clinic as shipped, and episodes filled in by hand, for the outcome rules."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fhir_pmp.identifiers import (
    EpisodeId,
    Identifier,
    InstrumentId,
    KeyedIds,
    PersonId,
    SourceId,
    TimepointId,
)
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.pathway.business_ids import BusinessIds
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Episode, EpisodeState, Moment, Person, Response, ResponseStatus, Sex
from fhir_pmp.pathway.programme.loading import load_programme
from fhir_pmp.pathway.summary.outcome_summary import ScaleOutcome, Summary, summarise

ROOT = Path(__file__).parents[3]
SYDNEY = ZoneInfo("Australia/Sydney")
INSTRUMENTS = load_instruments(ROOT / "mappings" / "instruments")
PROGRAMME = load_programme(ROOT / "mappings" / "programme.yaml", INSTRUMENTS)
CLINIC = ClinicalContext(
    INSTRUMENTS, PROGRAMME, BusinessIds(KeyedIds(b"s" * 32), "https://example.org/fhir"), SYDNEY
)
PERSON = Person(PersonId("patient-1"), "Maren", "Testholm", date(1961, 3, 3), Sex.FEMALE, (), "source:wide")
COMMENCED = Episode(
    id=EpisodeId("episode-1"),
    person=PERSON.id,
    state=EpisodeState.COMMENCED,
    referral=None,
    source=SourceId("wide"),
    enrolment="7",
    share_with_ehr=True,
    doubtful=False,
    referred_on=None,
    enrolled_on=date(2026, 2, 16),
    started_on=date(2026, 3, 2),
    ended_on=None,
    end_reason=None,
    lessons=(),
    practice=None,
)
DAYS = {"screening": "2026-02-18", "start": "2026-03-02", "post": "2026-04-28", "follow_up": "2026-07-28"}


def filled_form(instrument: str, timepoint: str, values: str, day: str | None = None) -> Response:
    """A response with its answers in the order of the printed form; - is a blank."""
    items = INSTRUMENTS[InstrumentId(instrument)].items
    given = zip(items, values.split(), strict=False)
    written = day or DAYS[timepoint]
    response = CLINIC.ids.response_id(
        SourceId("wide"), None, "7", InstrumentId(instrument), TimepointId(timepoint)
    )
    return Response(
        id=response,
        person=PERSON.id,
        episode=COMMENCED.id,
        instrument=InstrumentId(instrument),
        instrument_version=INSTRUMENTS[InstrumentId(instrument)].version,
        timepoint=TimepointId(timepoint),
        authored=Moment(written, date.fromisoformat(written), None),
        status=ResponseStatus.COMPLETED,
        version=1,
        answers={item.link_id: int(value) for item, value in given if value != "-"},
        identifier=Identifier("https://example.org/responses", response),
        source=SourceId("wide"),
    )


def summary(*responses: Response, today: str = "2026-09-30", episode: Episode = COMMENCED) -> Summary:
    """The summary at noon of that day in Sydney."""
    return summarise(CLINIC, PERSON, episode, responses, (), noon(today))


def noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=SYDNEY)


def outcome(of: Summary, scale: str) -> ScaleOutcome:
    """ "pseq.total"."""
    instrument, _, name = scale.partition(".")
    return next(one for one in of.scales if (one.instrument.id, one.scale.id) == (instrument, name))


def form_totalling(instrument: str, total: int) -> str:
    """Answers to a whole form that add up to the total, the first items filled first."""
    items = INSTRUMENTS[InstrumentId(instrument)].items
    scored = INSTRUMENTS[InstrumentId(instrument)].scales[0].items
    values, left = [], total
    for item in items:
        value = min(item.highest, left) if item.link_id in scored else 0
        values.append(value)
        left -= value
    assert left == 0
    return " ".join(map(str, values))


def summary_between(instrument: str, before: int, after: int) -> Summary:
    """The summary of a start and a post form with these totals."""
    return summary(
        filled_form(instrument, "start", form_totalling(instrument, before)),
        filled_form(instrument, "post", form_totalling(instrument, after)),
    )


def verdicts(of: Summary, scale: str, timepoint: str = "post") -> dict[str, str]:
    """The verdict of every named rule of the scale."""
    change = outcome(of, scale).at(TimepointId(timepoint)).change
    assert change is not None
    return {one.rule.rule.rule_id: one.verdict.value for one in change.comparison.verdicts}


def ended(state: EpisodeState, **facts: object) -> Episode:
    """An episode in that state with these facts."""
    return replace(COMMENCED, state=state, **facts)  # type: ignore[arg-type]


def texts(of: ScaleOutcome) -> Sequence[str]:
    """What the four timepoints of a scale read."""
    return [cell.text for cell in of.cells]
