"""Whether what stands where a server once put ours is still ours: one that was emptied gives the same ids out again."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.content import read_content
from fhir_pmp.ehr.lane import Halt
from fhir_pmp.ehr.outcomes import PAUSES, TRANSIENT, Meaning, Untrusted, Verdict, WireFailure
from fhir_pmp.ehr.reads import body_of
from fhir_pmp.ehr.writes import verdict_of
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store import Books
from fhir_pmp.store.neighbours import NAMED_BY_SERVER
from fhir_pmp.store.readers import Reader

Mark = tuple[str, str]
"""What a resource is recognised by: an identifier's system and value, or the url and version of a definition."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One of ours that the server has named."""

    reference: str  # our `Type/id`
    place: str  # the destination's
    etag: str | None  # of the version last known to stand there
    marks: frozenset[Mark]  # of every version of ours

    def is_it(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource bears a mark of ours."""
        return not self.marks.isdisjoint(_marks(resource))


def placed(books: Books, destination: DestinationId, references: Iterable[str]) -> list[Placed]:
    """Those of these `Type/id` of ours that stand under an id of the server's."""
    links = books.destination_ids.find_many(destination, references)
    named = {ours: link.theirs for ours, link in links.items() if link.how == NAMED_BY_SERVER}
    held = books.remote_versions.find_many(destination, named)
    return [
        Placed(ours, theirs, held[ours].etag if ours in held else None, _marks_of_ours(books, ours))
        for ours, theirs in named.items()
    ]


def find_lost(
    client: EhrClient,
    remembered: Iterable[Placed],
    clock: Callable[[], datetime],
    before_each: Callable[[], None],
) -> list[str]:
    """Those that stand where the server had put them no more. Raises Halt where that cannot be found out now."""
    lost = []
    for one in remembered:
        before_each()
        try:
            verdict = look_whose(client, one, clock())
        except (WireFailure, Untrusted) as failure:
            raise Halt(Verdict(failure.meaning, None, str(failure))) from None
        if verdict.meaning in TRANSIENT | PAUSES:
            raise Halt(verdict)
        if verdict.meaning is Meaning.NOT_THERE:
            lost.append(one.reference)
    return lost


def look_whose(client: EhrClient, one: Placed, now: datetime) -> Verdict:
    """DONE: what stands there is ours. GONE: ours was deleted. NOT_THERE: nothing stands or stood there, or another's.

    Else it cannot be told. Raises what `EhrClient.ask` raises.
    """
    verdict, resource = _read(client, one.place, now)
    if verdict.meaning is Meaning.GONE:
        return look_whose_was_deleted(client, one, now)
    if verdict.meaning is not Meaning.DONE or one.is_it(resource):
        return verdict
    return look_whose_it_was(client, one, now)


def look_whose_it_was(client: EhrClient, one: Placed, now: datetime) -> Verdict:
    """The same of the version that we know, where what stands there does not bear our mark.

    Somebody may have edited it away: then it is ours, edited. A server that does not tell former versions leaves it
    at what stands there.
    """
    gone = Verdict(Meaning.NOT_THERE, 404)
    if one.etag is None:
        return gone
    verdict, resource = _read(client, f"{one.place}/_history/{one.etag}", now)
    if verdict.meaning in TRANSIENT | PAUSES or one.is_it(resource):
        return verdict
    return gone


def look_whose_was_deleted(client: EhrClient, one: Placed, now: datetime) -> Verdict:
    """GONE: ours, as far as can be told. NOT_THERE: another's, to whom the id had been given. Else it cannot be told."""
    gone = Verdict(Meaning.GONE, 410)
    if one.etag is None:
        return gone
    verdict, resource = _read(client, f"{one.place}/_history/{one.etag}", now)
    if verdict.meaning in TRANSIENT | PAUSES:
        return verdict
    was_anothers = verdict.meaning is Meaning.DONE and not one.is_it(resource)
    return Verdict(Meaning.NOT_THERE, 404) if was_anothers else gone


def lose_places(
    books: Books, destination: DestinationId, references: Iterable[str], *, now: datetime
) -> list[str]:
    """Their ids there are theirs no more. What was last sent of each is sent again, looked for by its identifier."""
    lost = sorted(set(references))
    for reference in lost:
        forget_place(books, destination, reference, now=now)
    return books.standing.send_again(destination, lost, why="sent again: it was missing there", now=now)


def forget_place(books: Books, destination: DestinationId, reference: str, *, now: datetime) -> None:
    """One of ours stands no more where the server had put it."""
    books.destination_ids.unlink(destination, reference)
    books.remote_versions.forget(destination, reference, now=now)


def ours_among(
    books: Books, destination: DestinationId, at: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Which of these resources, by place, are ours: our `Type/id`. A remembered place alone is no proof."""
    found = books.standing.ours(destination, at)
    named = [
        link for link in books.destination_ids.leading_to(destination, at) if link.how == NAMED_BY_SERVER
    ]
    for link in named:
        found.pop(link.theirs, None)
    for link in named:
        if not _marks_of_ours(books, link.ours).isdisjoint(_marks(at[link.theirs])):
            found[link.theirs] = link.ours
    return found


def _read(client: EhrClient, place: str, now: datetime) -> tuple[Verdict, dict[str, Any]]:
    answer = client.ask("GET", place, headers={"Cache-Control": "no-cache"})
    verdict = verdict_of(answer, now)
    return verdict, body_of(answer) if verdict.meaning is Meaning.DONE else {}


def _marks_of_ours(books: Books, reference: str) -> frozenset[Mark]:
    kind, _, id_ = reference.partition("/")
    versions = books.published.history(Reader.house(), kind, id_)
    return frozenset(mark for version in versions for mark in _marks(read_content(version.content)))


def _marks(resource: Mapping[str, Any]) -> set[Mark]:
    borne = resource.get("identifier")
    found = {
        (one["system"], one["value"])
        for one in (borne if isinstance(borne, list) else [borne])
        if isinstance(one, dict) and isinstance(one.get("system"), str) and isinstance(one.get("value"), str)
    }
    url, version = resource.get("url"), resource.get("version")
    return found | {(url, version)} if isinstance(url, str) and isinstance(version, str) else found
