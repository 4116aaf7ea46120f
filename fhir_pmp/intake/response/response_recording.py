"""Records responses: checks, scores, flags and publishes each one whole or refuses it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from msgspec.structs import replace

from fhir_pmp.crash_points import reach
from fhir_pmp.errors import FhirPmpError, NotAllowed, NotUnderstood
from fhir_pmp.fhir.measurement.flag import build_flag
from fhir_pmp.fhir.measurement.response_resources import render_response
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.identifiers import EpisodeId, FlagId, ResponseId
from fhir_pmp.instruments.definition import Answers
from fhir_pmp.instruments.scoring import AnswersNotUnderstood
from fhir_pmp.intake.arrivals import ArrivedResponse, RecordingResult, RecordingStatus
from fhir_pmp.intake.clinician_questions import SAFETY_NOT_ANSWERED
from fhir_pmp.intake.episode.changes_since_baseline import (
    ChangeInputs,
    build_change_observations,
    retract_lost_scores,
)
from fhir_pmp.intake.episode.enrolment_lookup import EnrolmentUnknown
from fhir_pmp.intake.episode.episode_ending import end_episode
from fhir_pmp.intake.response.response_batch import ResponseBatch, content_hash, load_batch, response_id_of
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.episode_states import Actor, EpisodeEvent
from fhir_pmp.pathway.facts import Episode, EpisodeState, Flag, Response, ResponseStatus
from fhir_pmp.pathway.programme.timepoints import check_moment, day_of
from fhir_pmp.pathway.scale_changes import ScoredResponse
from fhir_pmp.pathway.summary.safety_lines import flagged_answers
from fhir_pmp.publishing.episode_resources import publish_episodes
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.responses import NewResponse


class UnknownInstrument(NotUnderstood):
    """No instrument of that id is known here."""


class ResponseNotUnderstood(NotUnderstood):
    """More than one thing about this response does not fit the programme. The sender corrects what is named."""


class AnswersDiffer(NotAllowed):
    """Other answers are recorded under this key. If these replace them, the platform says that they amend."""


class AlreadyAnswered(NotAllowed):
    """Another response to this instrument at this timepoint stands. Withdraw one of the two, or amend that one."""


class ResponseWithdrawn(NotAllowed):
    """This response was withdrawn. A withdrawal stands; new answers are a new response."""


def record_responses(
    uow: UnitOfWork, context: PublishingContext, arrivals: Sequence[ArrivedResponse], now: datetime
) -> list[RecordingResult]:
    """Records the responses in order; response, scores, flags and versions share one transaction.

    A refusal is a result with its reason and stops no other response.
    """
    batch = load_batch(uow, context.clinic, arrivals)
    results: list[RecordingResult] = []
    for arrival in arrivals:
        try:
            results.append(_record(context.clinic, batch, arrival, now))
        except FhirPmpError as refusal:
            results.append(RecordingResult(RecordingStatus.REFUSED, refusal=refusal))
    _store_batch(uow, context, batch, now)
    return results


def _record(
    clinic: ClinicalContext, batch: ResponseBatch, arrival: ArrivedResponse, now: datetime
) -> RecordingResult:
    episode = batch.episodes.get((arrival.enrolments_of, arrival.enrolment))
    if episode is None:
        raise EnrolmentUnknown(field="enrolment")
    instrument = clinic.instruments.get(arrival.instrument)
    if instrument is None:
        raise UnknownInstrument(field="instrument")
    response_id = response_id_of(clinic, arrival)
    known = batch.known.get(response_id)
    # An accepted moment is not checked again: a new start date may have moved the window since, and the response must
    # stay repeatable and amendable. Outcomes mark a response outside its window.
    accepted = known is not None and known[0].authored == arrival.authored
    answers = _check_answers(clinic, episode, arrival, now, is_known_moment=accepted)
    response = Response(
        id=response_id,
        person=episode.person,
        episode=episode.id,
        instrument=arrival.instrument,
        instrument_version=instrument.version,
        timepoint=arrival.timepoint,
        authored=arrival.authored,
        status=ResponseStatus.COMPLETED,
        version=1,
        answers=answers,
        identifier=clinic.ids.response_identifier(arrival.source, arrival.response_id, response_id),
        source=arrival.source,
    )
    return _classify_response(clinic, batch, arrival, response, now)


def _check_answers(
    clinic: ClinicalContext,
    episode: Episode,
    arrival: ArrivedResponse,
    now: datetime,
    *,
    is_known_moment: bool,
) -> Answers:
    """Returns the checked answers, or raises with every fault of instrument, moment and answers."""
    errors: list[NotUnderstood] = []
    answers: Answers = {}
    try:
        clinic.programme.check_offered(arrival.timepoint, arrival.instrument)
        if not is_known_moment:
            check_moment(clinic.programme, episode, arrival.timepoint, arrival.authored, now, clinic.zone)
    except NotUnderstood as fault:
        errors.append(fault)
    try:
        answers = clinic.check(arrival.instrument, arrival.answers)
    except AnswersNotUnderstood as fault:
        errors.append(fault)
    if len(errors) > 1:
        raise ResponseNotUnderstood(faults=[fault for one in errors for fault in one.faults])
    if errors:
        raise errors[0]
    return answers


def _classify_response(
    clinic: ClinicalContext, batch: ResponseBatch, arrival: ArrivedResponse, response: Response, now: datetime
) -> RecordingResult:
    """Decides whether the response is new, a repeat or an amendment. Raises the reason of a refusal."""
    new_hash = content_hash(response)
    known = batch.known.get(response.id)
    if known is None:
        if batch.by_timepoint.get((response.episode, response.instrument, response.timepoint)) is not None:
            raise AlreadyAnswered(field="timepoint")
        _accept(clinic, batch, response, new_hash, now, was=None)
        return RecordingResult(RecordingStatus.ACCEPTED, response.id, response.version)
    before, hash_before = known
    if _has_other_key(before, response):
        raise AnswersDiffer(
            "is the id of another person's, instrument's or timepoint's response", field="response"
        )
    if hash_before == new_hash:
        return RecordingResult(RecordingStatus.REPEATED, before.id, before.version)
    if before.status is ResponseStatus.ENTERED_IN_ERROR:
        raise ResponseWithdrawn(field="response")
    if not arrival.amends:
        raise AnswersDiffer(field="answers" if before.answers != response.answers else "authored")
    amended = replace(response, status=ResponseStatus.AMENDED, version=before.version + 1)
    _accept(clinic, batch, amended, new_hash, now, was=before.version)
    return RecordingResult(RecordingStatus.AMENDED, amended.id, amended.version)


def _has_other_key(before: Response, response: Response) -> bool:
    key = (response.episode, response.instrument, response.timepoint)
    return (before.episode, before.instrument, before.timepoint) != key


def _accept(
    clinic: ClinicalContext,
    batch: ResponseBatch,
    response: Response,
    new_hash: str,
    now: datetime,
    *,
    was: int | None,
) -> None:
    scores = clinic.score(response.instrument, response.answers)
    new = NewResponse(response, scores, new_hash)
    if was is None or response.id in batch.new:
        batch.new[response.id] = new
    else:
        # Amended twice in one batch: the store still holds the version from before the batch.
        first_was = batch.amended[response.id][1] if response.id in batch.amended else was
        batch.amended[response.id] = (new, first_was)
    batch.known[response.id] = (response, new_hash)
    batch.current.setdefault(response.episode, {})[response.id] = ScoredResponse(response, scores)
    batch.by_timepoint[response.episode, response.instrument, response.timepoint] = response.id
    for safety, answer in flagged_answers(clinic.instruments[response.instrument], response):
        batch.flags.append(
            Flag(
                id=clinic.ids.flag_id(response.id, safety.item),
                person=response.person,
                episode=response.episode,
                response=response.id,
                instrument=response.instrument,
                timepoint=response.timepoint,
                item=safety.item,
                answer=answer,
                raised_at=now,
            )
        )


def _store_batch(uow: UnitOfWork, context: PublishingContext, batch: ResponseBatch, now: datetime) -> None:
    accepted = [*batch.new.values(), *(new for new, _ in batch.amended.values())]
    if not accepted:
        return
    uow.responses.add_many(list(batch.new.values()), now=now)
    for new, was in batch.amended.values():
        uow.responses.replace(new, expected_version=was, now=now)
    reach("response kept")
    flags = _raise_flags(uow, batch)
    _open_unanswered_items(uow, context.clinic, accepted, batch.amended, now)
    publishable = _publishable(batch)
    resources = _render(context.clinic, [new for new in accepted if new.response.episode in publishable])
    resources += [build_flag(context.clinic, flag) for flag in flags if flag.episode in publishable]
    resources += retract_lost_scores(
        uow, context.clinic, [new.response for new, _ in batch.amended.values()], resources
    )
    resources += build_change_observations(
        uow, context.clinic, [_change_inputs_of(batch, e, accepted) for e in publishable.values()]
    )
    context.publisher.publish(uow, resources, now=now)
    _finish_complete_episodes(uow, context, batch, accepted, now)


def _publishable(batch: ResponseBatch) -> dict[EpisodeId, Episode]:
    touched = {new.response.episode for new in batch.new.values()}
    touched |= {new.response.episode for new, _ in batch.amended.values()}
    return {e.id: e for e in batch.episodes.values() if e.id in touched and not e.doubtful}


def _render(clinic: ClinicalContext, accepted: Iterable[NewResponse]) -> list[RenderedResource]:
    resources: list[RenderedResource] = []
    for new in accepted:
        resources += render_response(clinic, new.response, new.scores)
    return resources


def _change_inputs_of(
    batch: ResponseBatch, episode: Episode, accepted: Sequence[NewResponse]
) -> ChangeInputs:
    own = [new.response for new in accepted if new.response.episode == episode.id]
    return ChangeInputs(
        episode=episode,
        scored=tuple(batch.current.get(episode.id, {}).values()),
        instruments=frozenset(response.instrument for response in own),
        new=frozenset(response.id for response in own if response.id in batch.new),
    )


def _raise_flags(uow: UnitOfWork, batch: ResponseBatch) -> list[Flag]:
    """Stores and returns the new flags. An amendment never removes a flag or raises it twice."""
    wanted: dict[FlagId, Flag] = {}
    for flag in batch.flags:
        wanted.setdefault(flag.id, flag)  # amended in the same batch: keep the answer that raised the flag
    if batch.amended:
        for raised in uow.flags.of_responses(batch.amended).values():
            for flag in raised:
                wanted.pop(flag.id, None)
    new = list(wanted.values())
    uow.flags.add_many(new)
    return new


def _open_unanswered_items(
    uow: UnitOfWork,
    clinic: ClinicalContext,
    accepted: Iterable[NewResponse],
    amended: Mapping[ResponseId, object],
    now: datetime,
) -> None:
    for new in accepted:
        response = new.response
        blank = [
            s.item
            for s in clinic.instruments[response.instrument].safety_items
            if s.item not in response.answers
        ]
        about = f"QuestionnaireResponse/{response.id}"
        if blank:
            uow.work_items.open(
                kind=SAFETY_NOT_ANSWERED,
                role="clinician",
                about=about,
                person=response.person,
                episode=response.episode,
                what="a safety item was not answered",
                details={"items": list(blank), "timepoint": response.timepoint},
                now=now,
            )
        elif response.id in amended:
            uow.work_items.close_about(
                SAFETY_NOT_ANSWERED, about, by="system", how="answered in an amendment", now=now
            )


def _finish_complete_episodes(
    uow: UnitOfWork,
    context: PublishingContext,
    batch: ResponseBatch,
    accepted: Sequence[NewResponse],
    now: datetime,
) -> None:
    """Finishes commenced episodes whose post timepoint is complete."""
    post = context.clinic.programme.post
    touched = {new.response.episode for new in accepted if new.response.timepoint == post.id}
    ended: list[EpisodeId] = []
    for episode in batch.episodes.values():
        if (
            episode.id in touched
            and episode.state is EpisodeState.COMMENCED
            and _is_complete(context.clinic, batch, episode)
        ):
            on = _last_answered_on(context.clinic, batch, episode)
            end_episode(uow, episode, EpisodeEvent.FINISH, Actor.PLATFORM, "system", now, on=on)
            ended.append(episode.id)
    publish_episodes(uow, context, ended, now)


def _is_complete(clinic: ClinicalContext, batch: ResponseBatch, episode: Episode) -> bool:
    post = clinic.programme.post
    return all((episode.id, instrument, post.id) in batch.by_timepoint for instrument in post.instruments)


def _last_answered_on(clinic: ClinicalContext, batch: ResponseBatch, episode: Episode) -> date:
    """The day on which the last of the post questionnaires was answered."""
    post = clinic.programme.post.id
    own = (one.response for one in batch.current[episode.id].values())
    return max(day_of(response.authored, clinic.zone) for response in own if response.timepoint == post)
