"""Creates a database of people whose responses are published and queued but not sent."""

from datetime import date

from msgspec import json

from bench.rendering.sample_bodies import ResponseBody, sample_bodies
from bench.service import DESTINATION, ZONE, clock, load_bench_clinic
from fhir_pmp.fhir.measurement.response_resources import render_response
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.identifiers import EpisodeId, Identifier, InstrumentId, PersonId, SourceId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, RecordingStatus
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Episode, Moment, Response, ResponseStatus, Sex
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.publishing.startup import prepare_publishing
from fhir_pmp.store import Store
from fhir_pmp.store.engine.migrating import migrate

AT_ONCE = 10
"""People per transaction."""
INSTRUMENT = InstrumentId("gad7")
"""It has one scale and no safety item, so each response has one Observation."""
SOURCE = SourceId("redcap-wide")


def queue_responses(url: str, people: int, each: int, name: str = "bench") -> None:
    """Creates the database and queues `each` responses of `people` people. Another `name` gives other ids.

    Only the published versions and the outbox are filled: the responses are published as by an import, but not recorded.
    """
    clinic = load_bench_clinic(name)
    migrate(url)
    store = Store(url)
    publisher = Publisher((DESTINATION,), zone=ZONE)
    prepare_publishing(store, publisher, clinic, now=clock())
    samples = [
        json.decode(body, type=ResponseBody) for body in sample_bodies(dict(clinic.instruments))[INSTRUMENT]
    ]
    for first in range(0, people, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, people))
        now = clock()
        with store.begin() as uow:
            results = record_enrolments(
                uow, PublishingContext(clinic, publisher), [_enrolment(one) for one in numbers], now
            )
            assert all(result.status is RecordingStatus.ACCEPTED for result in results)
            found = uow.episodes.find_by_enrolments(SOURCE, [str(one) for one in numbers])
            rendered: list[RenderedResource] = []
            for number in numbers:
                episode = found[str(number)]
                for at in range(each):
                    rendered += _render(clinic, episode, samples[(number + at) % len(samples)], at)
            publisher.publish(uow, rendered, now=now)
    store.close()


def _enrolment(number: int) -> ArrivedEnrolment:
    return ArrivedEnrolment(
        source=SOURCE,
        enrolment=str(number),
        given="Person",
        family=f"Number {number}",
        birth_date=date(1970, 1, 1),
        sex=Sex.UNKNOWN,
        identifiers=(Identifier("https://example.org/bench", str(number)),),
        referral_number=None,
        share_with_ehr=True,
        enrolled_on=date(2026, 1, 1),
        started_on=date(2026, 1, 5),
        lessons=(),
        ended_on=None,
        ended_how=None,
        end_reason=None,
        practice=None,
    )


def _render(
    clinic: ClinicalContext, episode: Episode, sample: ResponseBody, at: int
) -> tuple[RenderedResource, ...]:
    own_id = f"{episode.id}-{at}"
    timepoint = clinic.programme.timepoints[0].id
    response_id = clinic.ids.response_id(SOURCE, own_id, episode.id, INSTRUMENT, timepoint)
    answers = clinic.check(INSTRUMENT, sample.answers)
    response = Response(
        id=response_id,
        person=PersonId(episode.person),
        episode=EpisodeId(episode.id),
        instrument=INSTRUMENT,
        instrument_version=clinic.instruments[INSTRUMENT].version,
        timepoint=timepoint,
        authored=Moment(sample.authored, date.fromisoformat(sample.authored), None),
        status=ResponseStatus.COMPLETED,
        version=1,
        answers=answers,
        identifier=clinic.ids.response_identifier(SOURCE, own_id, response_id),
        source=SOURCE,
    )
    return render_response(clinic, response, clinic.score(INSTRUMENT, answers))
