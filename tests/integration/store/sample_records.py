"""People, episodes, responses and resources as the store's tests need them: small, valid, told apart by a number."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, resource_head
from fhir_pmp.identifiers import (
    ClientId,
    EpisodeId,
    FlagId,
    Identifier,
    InstrumentId,
    LinkId,
    PersonId,
    ReferralId,
    ResourceId,
    ResponseId,
    ScaleId,
    SourceId,
    TimepointId,
)
from fhir_pmp.instruments.definition import Score
from fhir_pmp.pathway.facts import (
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
    Sharing,
)
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.responses import NewResponse

NOW = datetime(2026, 4, 5, 2, 59, 59, 123000, tzinfo=UTC)  # the night Sydney's clocks go back
SOURCE = SourceId("redcap")
MINUTE = timedelta(minutes=1)


def person(n: int, *identifiers: Identifier) -> Person:
    """Somebody; without identifiers of their own, with one that follows from the number."""
    return Person(
        id=PersonId(f"patient-{n}"),
        given="Ann",
        family=f"Example {n}",
        birth_date=date(1970, 1, 2),
        sex=Sex.FEMALE,
        identifiers=identifiers or (Identifier("urn:medicare", f"m{n}"),),
        registered_by="source:redcap",
    )


def episode(n: int, *, share: bool = True, doubtful: bool = False, of: int | None = None) -> Episode:
    """An enrolled episode of person `of`, by default of the person of the same number."""
    return Episode(
        id=EpisodeId(f"episode-{n}"),
        person=PersonId(f"patient-{n if of is None else of}"),
        state=EpisodeState.ENROLLED,
        referral=None,
        source=SOURCE,
        enrolment=f"e{n}",
        share_with_ehr=share,
        doubtful=doubtful,
        referred_on=None,
        enrolled_on=date(2026, 1, 1),
        started_on=date(2026, 1, 5),
        ended_on=None,
        end_reason=None,
        lessons=(Lesson(1, date(2026, 1, 6)), Lesson(2, date(2026, 1, 13))),
        practice=Practice(
            organization_id=ResourceId("organization-1"),
            organization_identifier=Identifier("urn:hpio", "1"),
            organization_name="Practice One",
            practitioner_id=ResourceId("practitioner-1"),
            practitioner_identifier=None,
            practitioner_name="Dr One",
        ),
    )


def referral(n: int, client: str = "practice-a") -> Referral:
    """A referral of person and episode `n`."""
    return Referral(
        id=ReferralId(f"referral-{n}"),
        number=f"R-{n}",
        client=ClientId(client),
        episode=EpisodeId(f"episode-{n}"),
        person=PersonId(f"patient-{n}"),
        service_request_id=ResourceId(f"request-{n}"),
        task_id=ResourceId(f"task-{n}"),
        service_request_identifier=Identifier("urn:gp", f"sr{n}"),
        task_identifier=Identifier("urn:gp", f"t{n}"),
        authored_on=date(2026, 1, 1),
        received_at=NOW,
        reason="pain",
    )


def response(n: int, *, of: int = 1, authored: Moment | None = None) -> Response:
    """A filled PEG of episode `of`."""
    text = "2026-01-05T10:11:12.123456+11:00"
    return Response(
        id=ResponseId(f"response-{n}"),
        person=PersonId(f"patient-{of}"),
        episode=EpisodeId(f"episode-{of}"),
        instrument=InstrumentId("peg"),
        instrument_version="1",
        timepoint=TimepointId("start"),
        authored=authored or Moment(text, date(2026, 1, 5), datetime.fromisoformat(text)),
        status=ResponseStatus.COMPLETED,
        version=1,
        answers={LinkId("peg-1"): 0, LinkId("peg-2"): 7},
        identifier=Identifier("urn:redcap", f"r{n}"),
        source=SOURCE,
    )


SCORES = (
    Score(ScaleId("total"), Fraction(33, 7), "4.71", "moderate", 2, 1, True, ("peg.total.blanks",)),
    Score(ScaleId("second"), None, None, None, 0, 3, False),
)


def recorded(n: int, *, of: int = 1) -> NewResponse:
    """That response with two scores, one of them not scorable."""
    return NewResponse(response(n, of=of), SCORES, content_hash=f"hash-{n}")


def flag(n: int, *, of: int = 1) -> Flag:
    """A flag raised by that response."""
    return Flag(
        id=FlagId(f"flag-{n}"),
        person=PersonId(f"patient-{of}"),
        episode=EpisodeId(f"episode-{of}"),
        response=ResponseId(f"response-{n}"),
        instrument=InstrumentId("phq9"),
        timepoint=TimepointId("start"),
        item=LinkId("phq9-9"),
        answer=2,
        raised_at=NOW + n * MINUTE,
    )


def resource(
    id: str,
    *,
    type: str = "Observation",
    text: str = "a",
    of: int | None = 1,
    episode: bool = True,
    sharing: Sharing = Sharing.RECORD,
    owner: str | None = None,
    date: str | None = None,
    tokens: Sequence[tuple[str, str, str]] = (),
    refs: Sequence[str] = (),
) -> RenderedResource:
    """A rendered resource; `text` is its content."""
    return RenderedResource(
        type=type,
        id=ResourceId(id),
        head=resource_head(type, id),
        tail=b'"text":"%b"}' % text.encode(),
        sharing=sharing,
        person=None if of is None else PersonId(f"patient-{of}"),
        episode=EpisodeId(f"episode-{of}") if episode and of is not None else None,
        owner=None if owner is None else ClientId(owner),
        date_text=date,
        tokens=tuple(tokens),
        refs=tuple(refs),
    )


def add_person(uow: UnitOfWork, n: int, *, share: bool = True, doubtful: bool = False) -> None:
    """Keeps person `n` with episode `n`."""
    uow.people.add(person(n), now=NOW)
    uow.episodes.add(episode(n, share=share, doubtful=doubtful), event="enrol", by="test", now=NOW)
