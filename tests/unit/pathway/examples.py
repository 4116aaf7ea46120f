"""A small clinic, an episode and responses for the tests of the pathway; every value stands here in plain sight."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from fhir_pmp.identifiers import (
    EpisodeId,
    Identifier,
    InstrumentId,
    KeyedIds,
    LinkId,
    PersonId,
    ResponseId,
    ScaleId,
    SourceId,
    TimepointId,
)
from fhir_pmp.instruments.definition import (
    Band,
    BandSet,
    Better,
    BlanksRule,
    ChangeKind,
    ChangeRule,
    Instrument,
    Item,
    Method,
    Option,
    Rights,
    Rule,
    RuleStatus,
    SafetyItem,
    Scale,
)
from fhir_pmp.pathway.business_ids import BusinessIds
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import (
    Episode,
    EpisodeState,
    Lesson,
    Moment,
    Person,
    Response,
    ResponseStatus,
    Sex,
)
from fhir_pmp.pathway.programme.definition import (
    Address,
    BaselineRule,
    CommencedBy,
    CommencementRule,
    CompletionRule,
    CrisisText,
    LessonTitle,
    Programme,
    Provider,
    Timepoint,
    TimepointRole,
)

SYDNEY = ZoneInfo("Australia/Sydney")
START = date(2026, 3, 2)
MOOD, SKILL, VIEW = InstrumentId("mood"), InstrumentId("skill"), InstrumentId("view")
SCREENING, AT_START, POST, FOLLOW_UP = (
    TimepointId(name) for name in ("screening", "start", "post", "follow_up")
)
TOTAL = ScaleId("total")


def rule(rule_id: str, status: RuleStatus = RuleStatus.VERIFIED) -> Rule:
    return Rule(rule_id, 1, status, "an invented page")


def scale(
    name: str,
    better: Better,
    *changes: ChangeRule,
    items: int = 2,
    headline: str | None = None,
    blanks: Rule | None = None,
    allowed: int = 0,
    band_status: RuleStatus = RuleStatus.VERIFIED,
    method: Method = Method.SUM,
) -> Scale:
    """Items of 0 to 3; up to 3 low, above it high."""
    highest = Fraction(3 * items if method is Method.SUM else 3)
    low = Band("low", Fraction(0), True, Fraction(3), True)
    high = Band("high", Fraction(3), False, max(highest, Fraction(4)), True)
    return Scale(
        id=TOTAL,
        title=f"{name} total",
        items=tuple(LinkId(f"{name}-{n}") for n in range(1, items + 1)),
        reversed=frozenset(),
        method=method,
        multiplier=1,
        whole=method is Method.SUM,
        lowest=Fraction(0),
        highest=highest,
        better=better,
        blanks=BlanksRule(blanks or rule(f"{name}.blanks"), allowed),
        rule=rule(f"{name}.score"),
        band_sets=(BandSet("bands", rule(f"{name}.bands", band_status), (low, high)),),
        changes=changes,
        headline_rule=headline,
        codings=(),
    )


def points(rule_id: str, least: int, status: RuleStatus = RuleStatus.VERIFIED) -> ChangeRule:
    return ChangeRule(rule(rule_id, status), f"{least} points", ChangeKind.POINTS, points=Fraction(least))


def percent(rule_id: str, least: int) -> ChangeRule:
    return ChangeRule(rule(rule_id), f"{least} percent", ChangeKind.PERCENT, percent=Fraction(least))


FREQUENCY = tuple(
    Option(value, label)
    for value, label in enumerate(("Not at all", "Several days", "More than half", "Nearly every day"))
)


def instrument(name: str, *scales: Scale, items: int = 2, safety: tuple[SafetyItem, ...] = ()) -> Instrument:
    return Instrument(
        id=InstrumentId(name),
        version="1",
        title=name.capitalize(),
        recall=None,
        source="an invented page",
        rights=Rights(False, "invented", "invented"),
        items=tuple(
            Item(LinkId(f"{name}-{n}"), f"item {n}", None, FREQUENCY, 0, 3) for n in range(1, items + 1)
        ),
        scales=scales,
        safety_items=safety,
        codings=(),
    )


MOOD_SCALE = scale(
    "mood",
    Better.LOWER,
    points("mood.points", 2),
    percent("mood.percent", 30),
    headline="mood.points",
    items=3,
    blanks=rule("mood.blanks", RuleStatus.UNCONFIRMED),
    allowed=1,
)
SKILL_SCALE = scale("skill", Better.HIGHER, points("skill.points", 2), headline="skill.points")
SAFETY = (
    SafetyItem(LinkId("mood-3"), 1, rule("mood.safety")),
    SafetyItem(LinkId("mood-2"), None, rule("mood.watch")),
)
INSTRUMENTS = {
    MOOD: instrument("mood", MOOD_SCALE, items=3, safety=SAFETY),
    SKILL: instrument("skill", SKILL_SCALE),
    VIEW: instrument("view", items=1),
}
PROGRAMME = Programme(
    title="Example",
    version="1",
    provider=Provider(
        name="Example Pain Programme",
        identifier=Identifier("https://example.org/identifiers/provider", "example"),
        address=Address(("1 Example Street",), "Sampleton", None, "2000", "AU"),
        phone="1800 975 711",
        email="programme@example.org",
        region="au",
        crisis_texts={"au": CrisisText("au", "Call 000.", rule("crisis", RuleStatus.POLICY))},
    ),
    lessons=tuple(LessonTitle(n, f"Lesson {n}") for n in range(1, 6)),
    timepoints=(
        Timepoint(SCREENING, "Screening", TimepointRole.SCREENING, -35, 0, None, (MOOD,), ()),
        Timepoint(AT_START, "Start", TimepointRole.START, -7, 14, 0, (MOOD,), (SKILL,)),
        Timepoint(POST, "End of programme", TimepointRole.POST, 49, 84, 56, (MOOD, VIEW), (SKILL,)),
        Timepoint(FOLLOW_UP, "Follow-up", TimepointRole.FOLLOW_UP, 133, 189, 147, (MOOD,), ()),
    ),
    windows=rule("windows", RuleStatus.POLICY),
    baseline=BaselineRule(rule("baseline", RuleStatus.POLICY), 28),
    commenced=CommencementRule(rule("commenced", RuleStatus.POLICY), CommencedBy.START_DATE),
    completed_all=CompletionRule(rule("all", RuleStatus.VERIFIED), 5),
    completed_majority=CompletionRule(rule("majority", RuleStatus.UNCONFIRMED), 4),
)
CLINIC = ClinicalContext(
    INSTRUMENTS, PROGRAMME, BusinessIds(KeyedIds(b"a" * 32), "https://example.org/fhir"), SYDNEY
)
PERSON = Person(PersonId("patient-1"), "Maren", "Testholm", date(1961, 3, 3), Sex.FEMALE, (), "source:wide")
EPISODE = Episode(
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
    started_on=START,
    ended_on=None,
    end_reason=None,
    lessons=(),
    practice=None,
)


def episode(state: EpisodeState, *, lessons: int = 0, started_on: date | None = START) -> Episode:
    done = tuple(Lesson(n, START) for n in range(1, lessons + 1))
    return replace(EPISODE, state=state, lessons=done, started_on=started_on)


def on(day: str) -> Moment:
    return Moment(day, date.fromisoformat(day), None)


def at(text: str) -> Moment:
    moment = datetime.fromisoformat(text)
    return Moment(text, moment.date(), moment.astimezone(UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def answers(name: str, given: str) -> Mapping[LinkId, int]:
    """ "2 1 -": the answers in order, - for a blank."""
    values = enumerate(given.split(), start=1)
    return {LinkId(f"{name}-{n}"): int(value) for n, value in values if value != "-"}


def response(
    name: str,
    timepoint: TimepointId,
    day: str,
    given: str,
    *,
    status: ResponseStatus = ResponseStatus.COMPLETED,
    number: int = 1,
) -> Response:
    response_id = ResponseId(f"response-{name}-{timepoint}-{number}")
    return Response(
        id=response_id,
        person=PERSON.id,
        episode=EPISODE.id,
        instrument=InstrumentId(name),
        instrument_version="1",
        timepoint=timepoint,
        authored=on(day),
        status=status,
        version=1,
        answers=answers(name, given),
        identifier=Identifier("https://example.org/sources/wide/response", response_id),
        source=SourceId("wide"),
    )
