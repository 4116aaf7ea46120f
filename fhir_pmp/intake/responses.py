"""Responses arrive: understood, scored, flagged and published, each whole or not at all."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import orjson

from fhir_pmp.errors import FhirPmpError, NotAllowed, NotFound, NotUnderstood
from fhir_pmp.fhir.flag import build_flag
from fhir_pmp.fhir.rendered import Rendered
from fhir_pmp.fhir.renderers import renderers_of
from fhir_pmp.identifiers import EpisodeId, InstrumentId, ResponseId, TimepointId
from fhir_pmp.intake.arrivals import ArrivedResponse, Fate, Receipt
from fhir_pmp.intake.changes import Ground, change_resources, lost_scores
from fhir_pmp.intake.enrolments import end_episode
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import By, Event
from fhir_pmp.pathway.facts import Episode, EpisodeState, Flag, Response, ResponseStatus
from fhir_pmp.pathway.outcomes import Scored
from fhir_pmp.pathway.safety import raised_by
from fhir_pmp.pathway.timepoints import check_moment
from fhir_pmp.publishing.care import publish_care
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books
from fhir_pmp.store.responses import NewResponse, RecordedResponse


class EnrolmentUnknown(NotFound):
    """No enrolment of that id is known. The platform sends the person first."""


class UnknownInstrument(NotUnderstood):
    """No instrument of that id is known here."""


class AnswersDiffer(NotAllowed):
    """Other answers are recorded under this key. If these replace them, the platform says that they amend."""


class AlreadyAnswered(NotAllowed):
    """Another response to this instrument at this timepoint stands. Withdraw one of the two, or amend that one."""


class Withdrawn(NotAllowed):
    """This response was withdrawn. A withdrawal stands; new answers are a new response."""


@dataclass(slots=True)
class _Batch:
    """What one transaction has seen and decided so far."""

    episodes: dict[tuple[str, str], Episode]
    standing: dict[EpisodeId, dict[ResponseId, Scored]]
    known: dict[ResponseId, tuple[Response, str]]  # newest version and the hash that tells a repeat
    at: dict[tuple[EpisodeId, InstrumentId, TimepointId], ResponseId]
    new: dict[ResponseId, NewResponse] = field(default_factory=dict)
    amended: dict[ResponseId, tuple[NewResponse, int]] = field(default_factory=dict)
    flags: list[Flag] = field(default_factory=list)


def record_responses(
    books: Books, clinic: Clinic, publisher: Publisher, arrivals: Sequence[ArrivedResponse], now: datetime
) -> list[Receipt]:
    """Records each arrival for itself, in order: one transaction holds response, scores, flag, versions and rows.

    Never raises for one arrival: what is refused says why in its receipt, and the others stand.
    """
    batch = _open_batch(books, arrivals)
    receipts: list[Receipt] = []
    for arrival in arrivals:
        try:
            receipts.append(_record(clinic, batch, arrival, now))
        except FhirPmpError as refusal:
            receipts.append(Receipt(Fate.REFUSED, refusal=refusal))
    _keep(books, clinic, publisher, batch, now)
    return receipts


def content_hash(response: Response) -> str:
    """What tells a repeat from another content: instrument version, moment and answers, in any order of items."""
    said = (response.instrument_version, response.authored.text, sorted(response.answers.items()))
    return hashlib.sha256(orjson.dumps(said)).hexdigest()


def _open_batch(books: Books, arrivals: Sequence[ArrivedResponse]) -> _Batch:
    episodes: dict[tuple[str, str], Episode] = {}
    for source in dict.fromkeys(arrival.enrolments_of for arrival in arrivals):
        wanted = (arrival.enrolment for arrival in arrivals if arrival.enrolments_of == source)
        for enrolment, episode in books.episodes.find_by_enrolments(source, wanted).items():
            episodes[source, enrolment] = episode
    recorded = books.responses.of_episodes({episode.id for episode in episodes.values()}, withdrawn=True)
    batch = _Batch(episodes, {}, {}, {})
    for episode_id, responses in recorded.items():
        for one in responses:
            _remember(batch, episode_id, one)
    return batch


def _remember(batch: _Batch, episode: EpisodeId, one: RecordedResponse) -> None:
    response = one.response
    batch.known[response.id] = (response, content_hash(response))
    if response.status is not ResponseStatus.ENTERED_IN_ERROR:
        batch.standing.setdefault(episode, {})[response.id] = Scored(response, one.scores)
        batch.at[episode, response.instrument, response.timepoint] = response.id


def _record(clinic: Clinic, batch: _Batch, arrival: ArrivedResponse, now: datetime) -> Receipt:
    episode = batch.episodes.get((arrival.enrolments_of, arrival.enrolment))
    if episode is None:
        raise EnrolmentUnknown(field="enrolment")
    instrument = clinic.instruments.get(arrival.instrument)
    if instrument is None:
        raise UnknownInstrument(field="instrument")
    clinic.programme.check_offered(arrival.timepoint, arrival.instrument)
    check_moment(clinic.programme, episode, arrival.timepoint, arrival.authored, now, clinic.zone)
    answers = clinic.check(arrival.instrument, arrival.answers)
    key = (arrival.source, arrival.response_id, arrival.enrolment, arrival.instrument, arrival.timepoint)
    response_id = clinic.response_id(*key)
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


def _place(
    clinic: Clinic, batch: _Batch, arrival: ArrivedResponse, response: Response, now: datetime
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
    if hash_before == said:
        return Receipt(Fate.REPEATED, before.id, before.version)
    if before.status is ResponseStatus.ENTERED_IN_ERROR:
        raise Withdrawn(field="response")
    if _belongs_elsewhere(before, response):
        raise AnswersDiffer(
            "is the id of another person's, instrument's or timepoint's response", field="response"
        )
    if not arrival.amends:
        raise AnswersDiffer(field="answers" if before.answers != response.answers else "authored")
    amended = replace(response, status=ResponseStatus.AMENDED, version=before.version + 1)
    _take(clinic, batch, amended, said, now, was=before.version)
    return Receipt(Fate.AMENDED, amended.id, amended.version)


def _belongs_elsewhere(before: Response, response: Response) -> bool:
    key = (response.episode, response.instrument, response.timepoint)
    return (before.episode, before.instrument, before.timepoint) != key


def _take(
    clinic: Clinic, batch: _Batch, response: Response, said: str, now: datetime, *, was: int | None
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


def _keep(books: Books, clinic: Clinic, publisher: Publisher, batch: _Batch, now: datetime) -> None:
    taken = [*batch.new.values(), *(new for new, _ in batch.amended.values())]
    if not taken:
        return
    books.responses.add_many(list(batch.new.values()), now=now)
    for new, was in batch.amended.values():
        books.responses.replace(new, was=was, now=now)
    flags = _raise_flags(books, batch)
    _note_unanswered(books, clinic, taken, batch.amended, now)
    publishable = _publishable(batch)
    resources = _render(clinic, [new for new in taken if new.response.episode in publishable])
    resources += [build_flag(clinic, flag) for flag in flags if flag.episode in publishable]
    resources += lost_scores(books, clinic, [new.response for new, _ in batch.amended.values()], resources)
    resources += change_resources(books, clinic, [_ground(batch, e, taken) for e in publishable.values()])
    publisher.publish(books, resources, now=now)
    _finish_complete(books, clinic, publisher, batch, taken, now)


def _publishable(batch: _Batch) -> dict[EpisodeId, Episode]:
    touched = {new.response.episode for new in batch.new.values()}
    touched |= {new.response.episode for new, _ in batch.amended.values()}
    return {e.id: e for e in batch.episodes.values() if e.id in touched and not e.doubtful}


def _render(clinic: Clinic, taken: Iterable[NewResponse]) -> list[Rendered]:
    resources: list[Rendered] = []
    renderers = renderers_of(clinic)
    for new in taken:
        resources += renderers[new.response.instrument](new.response, new.scores)
    return resources


def _ground(batch: _Batch, episode: Episode, taken: Sequence[NewResponse]) -> Ground:
    own = [new.response for new in taken if new.response.episode == episode.id]
    return Ground(
        episode=episode,
        scored=tuple(batch.standing.get(episode.id, {}).values()),
        instruments=frozenset(response.instrument for response in own),
        new=frozenset(response.id for response in own if response.id in batch.new),
    )


def _raise_flags(books: Books, batch: _Batch) -> list[Flag]:
    """The flags that were not raised before. An amendment never lowers one, and never raises the same again."""
    wanted = {flag.id: flag for flag in batch.flags}
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
    batch: _Batch,
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
            end_episode(books, episode, Event.FINISH, By.PLATFORM, "system", now)
            ended.append(episode.id)
    publish_care(books, clinic, publisher, ended, now)


def _is_complete(clinic: Clinic, batch: _Batch, episode: Episode) -> bool:
    post = clinic.programme.post
    return all((episode.id, instrument, post.id) in batch.at for instrument in post.instruments)
