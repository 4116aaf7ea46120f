"""Responses arrive: understood, scored, flagged and published, each whole or not at all."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from msgspec.structs import replace

from fhir_pmp.crash_points import reach
from fhir_pmp.errors import FhirPmpError, NotAllowed, NotFound, NotUnderstood
from fhir_pmp.fhir.flag import build_flag
from fhir_pmp.fhir.rendered import Rendered
from fhir_pmp.fhir.renderers import renderers_of
from fhir_pmp.identifiers import EpisodeId, FlagId, ResponseId
from fhir_pmp.instruments.definition import Answers
from fhir_pmp.instruments.scoring import AnswersNotUnderstood
from fhir_pmp.intake.arrivals import ArrivedResponse, Fate, Receipt
from fhir_pmp.intake.changes import Ground, change_resources, lost_scores
from fhir_pmp.intake.enrolments import end_episode
from fhir_pmp.intake.response_batches import Batch, content_hash, open_batch, response_id_of
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import By, Event
from fhir_pmp.pathway.facts import Episode, EpisodeState, Flag, Response, ResponseStatus
from fhir_pmp.pathway.outcomes import Scored
from fhir_pmp.pathway.safety import raised_by
from fhir_pmp.pathway.timepoints import check_moment, day_of
from fhir_pmp.publishing.care import publish_care
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books
from fhir_pmp.store.responses import NewResponse


class EnrolmentUnknown(NotFound):
    """No enrolment of that id is known. The platform sends the person first."""


class UnknownInstrument(NotUnderstood):
    """No instrument of that id is known here."""


class ResponseNotUnderstood(NotUnderstood):
    """More than one thing about this response does not fit the programme. The sender corrects what is named."""


class AnswersDiffer(NotAllowed):
    """Other answers are recorded under this key. If these replace them, the platform says that they amend."""


class AlreadyAnswered(NotAllowed):
    """Another response to this instrument at this timepoint stands. Withdraw one of the two, or amend that one."""


class Withdrawn(NotAllowed):
    """This response was withdrawn. A withdrawal stands; new answers are a new response."""


def record_responses(
    books: Books, clinic: Clinic, publisher: Publisher, arrivals: Sequence[ArrivedResponse], now: datetime
) -> list[Receipt]:
    """Records each arrival for itself, in order: one transaction holds response, scores, flag, versions and rows.

    Never raises for one arrival: what is refused says why in its receipt, and the others stand.
    """
    batch = open_batch(books, clinic, arrivals)
    receipts: list[Receipt] = []
    for arrival in arrivals:
        try:
            receipts.append(_record(clinic, batch, arrival, now))
        except FhirPmpError as refusal:
            receipts.append(Receipt(Fate.REFUSED, refusal=refusal))
    _keep(books, clinic, publisher, batch, now)
    return receipts


def _record(clinic: Clinic, batch: Batch, arrival: ArrivedResponse, now: datetime) -> Receipt:
    episode = batch.episodes.get((arrival.enrolments_of, arrival.enrolment))
    if episode is None:
        raise EnrolmentUnknown(field="enrolment")
    instrument = clinic.instruments.get(arrival.instrument)
    if instrument is None:
        raise UnknownInstrument(field="instrument")
    response_id = response_id_of(clinic, arrival)
    known = batch.known.get(response_id)
    # A moment that was taken once is not judged again: a repeat stays one, and may be amended, though another day of
    # starting has moved the window since. What lies outside by now says so in the outcomes.
    taken = known is not None and known[0].authored == arrival.authored
    answers = _understand(clinic, episode, arrival, now, moment_taken=taken)
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
        identifier=clinic.response_identifier(arrival.source, arrival.response_id, response_id),
        source=arrival.source,
    )
    return _place(clinic, batch, arrival, response, now)


def _understand(
    clinic: Clinic, episode: Episode, arrival: ArrivedResponse, now: datetime, *, moment_taken: bool
) -> Answers:
    """The answers, if instrument, moment and answers fit the programme; else every fault of all three at once."""
    wrong: list[NotUnderstood] = []
    answers: Answers = {}
    try:
        clinic.programme.check_offered(arrival.timepoint, arrival.instrument)
        if not moment_taken:
            check_moment(clinic.programme, episode, arrival.timepoint, arrival.authored, now, clinic.zone)
    except NotUnderstood as fault:
        wrong.append(fault)
    try:
        answers = clinic.check(arrival.instrument, arrival.answers)
    except AnswersNotUnderstood as fault:
        wrong.append(fault)
    if len(wrong) > 1:
        raise ResponseNotUnderstood(faults=[fault for one in wrong for fault in one.faults])
    if wrong:
        raise wrong[0]
    return answers


def _place(
    clinic: Clinic, batch: Batch, arrival: ArrivedResponse, response: Response, now: datetime
) -> Receipt:
    """Whether it is new, a repeat or an amendment of what is known under its key. Raises what forbids it."""
    said = content_hash(response)
    known = batch.known.get(response.id)
    if known is None:
        if batch.at.get((response.episode, response.instrument, response.timepoint)) is not None:
            raise AlreadyAnswered(field="timepoint")
        _take(clinic, batch, response, said, now, was=None)
        return Receipt(Fate.ACCEPTED, response.id, response.version)
    before, hash_before = known
    if _belongs_elsewhere(before, response):
        raise AnswersDiffer(
            "is the id of another person's, instrument's or timepoint's response", field="response"
        )
    if hash_before == said:
        return Receipt(Fate.REPEATED, before.id, before.version)
    if before.status is ResponseStatus.ENTERED_IN_ERROR:
        raise Withdrawn(field="response")
    if not arrival.amends:
        raise AnswersDiffer(field="answers" if before.answers != response.answers else "authored")
    amended = replace(response, status=ResponseStatus.AMENDED, version=before.version + 1)
    _take(clinic, batch, amended, said, now, was=before.version)
    return Receipt(Fate.AMENDED, amended.id, amended.version)


def _belongs_elsewhere(before: Response, response: Response) -> bool:
    key = (response.episode, response.instrument, response.timepoint)
    return (before.episode, before.instrument, before.timepoint) != key


def _take(
    clinic: Clinic, batch: Batch, response: Response, said: str, now: datetime, *, was: int | None
) -> None:
    scores = clinic.score(response.instrument, response.answers)
    new = NewResponse(response, scores, said)
    if was is None or response.id in batch.new:
        batch.new[response.id] = new
    else:
        # Amended twice in one batch: the store still holds the version from before the batch.
        first_was = batch.amended[response.id][1] if response.id in batch.amended else was
        batch.amended[response.id] = (new, first_was)
    batch.known[response.id] = (response, said)
    batch.standing.setdefault(response.episode, {})[response.id] = Scored(response, scores)
    batch.at[response.episode, response.instrument, response.timepoint] = response.id
    for safety, answer in raised_by(clinic.instruments[response.instrument], response):
        batch.flags.append(
            Flag(
                id=clinic.flag_id(response.id, safety.item),
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


def _keep(books: Books, clinic: Clinic, publisher: Publisher, batch: Batch, now: datetime) -> None:
    taken = [*batch.new.values(), *(new for new, _ in batch.amended.values())]
    if not taken:
        return
    books.responses.add_many(list(batch.new.values()), now=now)
    for new, was in batch.amended.values():
        books.responses.replace(new, was=was, now=now)
    reach("response kept")
    flags = _raise_flags(books, batch)
    _note_unanswered(books, clinic, taken, batch.amended, now)
    publishable = _publishable(batch)
    resources = _render(clinic, [new for new in taken if new.response.episode in publishable])
    resources += [build_flag(clinic, flag) for flag in flags if flag.episode in publishable]
    resources += lost_scores(books, clinic, [new.response for new, _ in batch.amended.values()], resources)
    resources += change_resources(books, clinic, [_ground(batch, e, taken) for e in publishable.values()])
    publisher.publish(books, resources, now=now)
    _finish_complete(books, clinic, publisher, batch, taken, now)


def _publishable(batch: Batch) -> dict[EpisodeId, Episode]:
    touched = {new.response.episode for new in batch.new.values()}
    touched |= {new.response.episode for new, _ in batch.amended.values()}
    return {e.id: e for e in batch.episodes.values() if e.id in touched and not e.doubtful}


def _render(clinic: Clinic, taken: Iterable[NewResponse]) -> list[Rendered]:
    resources: list[Rendered] = []
    renderers = renderers_of(clinic)
    for new in taken:
        resources += renderers[new.response.instrument](new.response, new.scores)
    return resources


def _ground(batch: Batch, episode: Episode, taken: Sequence[NewResponse]) -> Ground:
    own = [new.response for new in taken if new.response.episode == episode.id]
    return Ground(
        episode=episode,
        scored=tuple(batch.standing.get(episode.id, {}).values()),
        instruments=frozenset(response.instrument for response in own),
        new=frozenset(response.id for response in own if response.id in batch.new),
    )


def _raise_flags(books: Books, batch: Batch) -> list[Flag]:
    """The flags that were not raised before. An amendment never lowers one, and never raises the same again."""
    wanted: dict[FlagId, Flag] = {}
    for flag in batch.flags:
        wanted.setdefault(flag.id, flag)  # amended in the same batch: it says what raised it first
    if batch.amended:
        for raised in books.flags.of_responses(batch.amended).values():
            for flag in raised:
                wanted.pop(flag.id, None)
    new = list(wanted.values())
    books.flags.add_many(new)
    return new


UNANSWERED = "safety_not_answered"
"""The kind of the worklist line that says a safety item was left blank."""


def _note_unanswered(
    books: Books,
    clinic: Clinic,
    taken: Iterable[NewResponse],
    amended: Mapping[ResponseId, object],
    now: datetime,
) -> None:
    for new in taken:
        response = new.response
        blank = [
            s.item
            for s in clinic.instruments[response.instrument].safety_items
            if s.item not in response.answers
        ]
        about = f"QuestionnaireResponse/{response.id}"
        if blank:
            books.work_items.open(
                kind=UNANSWERED,
                role="clinician",
                about=about,
                person=response.person,
                episode=response.episode,
                what="a safety item was not answered",
                details={"items": list(blank), "timepoint": response.timepoint},
                now=now,
            )
        elif response.id in amended:
            books.work_items.close_about(
                UNANSWERED, about, by="system", how="answered in an amendment", now=now
            )


def _finish_complete(
    books: Books,
    clinic: Clinic,
    publisher: Publisher,
    batch: Batch,
    taken: Sequence[NewResponse],
    now: datetime,
) -> None:
    """A commenced episode whose post timepoint is complete is finished."""
    post = clinic.programme.post
    touched = {new.response.episode for new in taken if new.response.timepoint == post.id}
    ended: list[EpisodeId] = []
    for episode in batch.episodes.values():
        if (
            episode.id in touched
            and episode.state is EpisodeState.COMMENCED
            and _is_complete(clinic, batch, episode)
        ):
            on = _answered_on(clinic, batch, episode)
            end_episode(books, episode, Event.FINISH, By.PLATFORM, "system", now, on=on)
            ended.append(episode.id)
    publish_care(books, clinic, publisher, ended, now)


def _is_complete(clinic: Clinic, batch: Batch, episode: Episode) -> bool:
    post = clinic.programme.post
    return all((episode.id, instrument, post.id) in batch.at for instrument in post.instruments)


def _answered_on(clinic: Clinic, batch: Batch, episode: Episode) -> date:
    """The day on which the last of the post questionnaires was answered."""
    post = clinic.programme.post.id
    own = (one.response for one in batch.standing[episode.id].values())
    return max(day_of(response.authored, clinic.zone) for response in own if response.timepoint == post)
