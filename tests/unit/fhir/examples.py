"""The shipped clinic, and facts of an invented person, for the tests of what is written as FHIR."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from fhir_pmp.fhir.measurement.response_resources import render_response
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.identifiers import (
    ClientId,
    EpisodeId,
    Identifier,
    InstrumentId,
    KeyedIds,
    LinkId,
    PersonId,
    ReferralId,
    ResourceId,
    SourceId,
    TimepointId,
)
from fhir_pmp.instruments.definition import Instrument
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.pathway.business_ids import BusinessIds
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import (
    Acknowledgement,
    Episode,
    EpisodeState,
    Flag,
    Lesson,
    Moment,
    Person,
    Practice,
    Referral,
    Response,
    ResponseStatus,
    Sex,
)
from fhir_pmp.pathway.programme.loading import load_programme

MAPPINGS = Path(__file__).parents[3] / "mappings"
INSTRUMENTS = load_instruments(MAPPINGS / "instruments")
CLINIC = ClinicalContext(
    instruments=INSTRUMENTS,
    programme=load_programme(MAPPINGS / "programme.yaml", INSTRUMENTS),
    ids=BusinessIds(KeyedIds(b"a secret of the tests, long enough to be one"), "https://pmp.example/fhir"),
    zone=ZoneInfo("Australia/Sydney"),
)

SOURCE = SourceId("redcap-wide")
CLIENT = ClientId("practice-1")
PERSON = CLINIC.ids.person_id(SOURCE, "17")
EPISODE = CLINIC.ids.episode_id(SOURCE, "e-17")
REFERRAL = CLINIC.ids.referral_id(CLIENT, Identifier("https://gp.example/requests", "R1"))

SYDNEY = timezone(timedelta(hours=11))
START, POST, FOLLOW_UP = TimepointId("start"), TimepointId("post"), TimepointId("follow_up")
MORNING = Moment(
    "2026-03-01T10:11:12+11:00", date(2026, 3, 1), datetime(2026, 3, 1, 10, 11, 12, tzinfo=SYDNEY)
)
DAY_ONLY = Moment("2026-03-01", date(2026, 3, 1), None)


def make_response(
    instrument: str,
    answers: Mapping[str, int] | Mapping[LinkId, int],
    *,
    timepoint: TimepointId = POST,
    authored: Moment = MORNING,
    status: ResponseStatus = ResponseStatus.COMPLETED,
    key: str = "r-1",
) -> Response:
    """A response of the invented person."""
    response_id = CLINIC.ids.response_id(SOURCE, key, "e-17", InstrumentId(instrument), timepoint)
    return Response(
        id=response_id,
        person=PERSON,
        episode=EPISODE,
        instrument=InstrumentId(instrument),
        instrument_version=INSTRUMENTS[InstrumentId(instrument)].version,
        timepoint=timepoint,
        authored=authored,
        status=status,
        version=1 if status is ResponseStatus.COMPLETED else 2,
        answers={LinkId(item): value for item, value in answers.items()},
        identifier=CLINIC.ids.response_identifier(SOURCE, key, response_id),
        source=SOURCE,
    )


def fill_form(instrument: str, value: int, **different: int | None) -> dict[str, int]:
    """Every item answered with `value`, but for those named by what follows the hyphen; None leaves a blank."""
    answers = {str(item.link_id): value for item in INSTRUMENTS[InstrumentId(instrument)].items}
    for name, other in different.items():
        link_id = f"{instrument}-{name.removeprefix('item')}"
        assert link_id in answers
        if other is None:
            del answers[link_id]
        else:
            answers[link_id] = other
    return answers


def build_all(response: Response) -> tuple[RenderedResource, ...]:
    """The resources of a response and its scores."""
    return render_response(CLINIC, response, CLINIC.score(response.instrument, response.answers))


def some_answers(instrument: Instrument) -> st.SearchStrategy[dict[LinkId, int]]:
    """Any answers to an instrument, blanks included."""
    complete = {item.link_id: st.sampled_from(sorted(item.offered)) for item in instrument.items}
    # Drawn whole, then left blank in places: drawn item by item, hardly any would have a score.
    blank = st.sets(st.sampled_from(list(complete)))
    return st.builds(
        lambda answers, left: {item: value for item, value in answers.items() if item not in left},
        st.fixed_dictionaries(complete),
        blank,
    )


PERSON_FACTS = Person(
    id=PERSON,
    given="Ada <Test>",
    family='O\'Canary & "Sons"',
    birth_date=date(1970, 2, 28),
    sex=Sex.FEMALE,
    identifiers=(Identifier("http://ns.electronichealth.net.au/id/medicare-number", "2953000000"),),
    registered_by="source:redcap-wide",
)
PRACTICE = Practice(
    organization_id=ResourceId("organization-1"),
    organization_identifier=Identifier("https://gp.example/practices", "P1"),
    organization_name="Harbour Street Practice",
    practitioner_id=ResourceId("practitioner-1"),
    practitioner_identifier=None,
    practitioner_name="Dr Grace Example",
)
EPISODE_FACTS = Episode(
    id=EpisodeId(EPISODE),
    person=PERSON,
    state=EpisodeState.COMMENCED,
    referral=None,
    source=SOURCE,
    enrolment="e-17",
    share_with_ehr=True,
    doubtful=False,
    referred_on=None,
    enrolled_on=date(2025, 12, 20),
    started_on=date(2026, 1, 4),
    ended_on=None,
    end_reason=None,
    lessons=(Lesson(1, date(2026, 1, 5)),),
    practice=PRACTICE,
)
REFERRED_EPISODE = replace(EPISODE_FACTS, referral=REFERRAL)
REFERRAL_FACTS = Referral(
    id=ReferralId(REFERRAL),
    number=CLINIC.ids.referral_number(REFERRAL),
    client=CLIENT,
    episode=EPISODE,
    person=PersonId(PERSON),
    service_request_id=CLINIC.ids.service_request_id(REFERRAL),
    task_id=CLINIC.ids.task_id(REFERRAL),
    service_request_identifier=Identifier("https://gp.example/requests", "R1"),
    task_identifier=Identifier("https://gp.example/tasks", "T1"),
    authored_on=date(2025, 12, 1),
    received_at=datetime(2025, 12, 2, tzinfo=UTC),
    reason="Chronic pain",
)
POSITIVE = make_response("phq9", fill_form("phq9", 1, item9=2))
FLAG_FACTS = Flag(
    id=CLINIC.ids.flag_id(POSITIVE.id, LinkId("phq9-9")),
    person=PERSON,
    episode=EPISODE,
    response=POSITIVE.id,
    instrument=InstrumentId("phq9"),
    timepoint=POST,
    item=LinkId("phq9-9"),
    answer=2,
    raised_at=datetime(2026, 3, 1, 0, 0, tzinfo=UTC),
)
ACKNOWLEDGED = replace(
    FLAG_FACTS,
    acknowledgement=Acknowledgement("Dr Signer", datetime(2026, 3, 2, 1, 30, tzinfo=UTC), "Phoned."),
)
