"""What of a claimed lane goes, in which order, and what does not: not wanted, withheld, or waiting for another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fhir_pmp.ehr.capability import Capability
from fhir_pmp.ehr.content import read_content
from fhir_pmp.ehr.destinations import Destination, WriteStrategy
from fhir_pmp.ehr.neighbour import takes
from fhir_pmp.ehr.order import dependants, targets_first
from fhir_pmp.ehr.rendering import ByIdentifier, business_identifier, found_by
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.store import Books
from fhir_pmp.store.deliveries import ClaimedLane, Delivery, DeliveryState, Ended
from fhir_pmp.store.readers import Reader
from fhir_pmp.store.remote_versions import RemoteVersion

PARKED = frozenset({DeliveryState.DEAD, DeliveryState.WAITING})
NOT_READ_YET = 0
"""Our version number for what stands there and is none that we know: it is read before anything is written."""
ON_ITS_WAY = frozenset({DeliveryState.PENDING, DeliveryState.IN_FLIGHT})


@dataclass
class Knowledge:
    """What we know of a lane's resources and of what they refer to, at one destination; it grows as answers come."""

    links: dict[str, str] = field(default_factory=dict)  # ours: what the destination calls it
    held: dict[str, RemoteVersion] = field(default_factory=dict)  # what of ours it holds
    undelivered: Mapping[str, DeliveryState | None] = field(default_factory=dict)  # targets never sent there
    logical: Mapping[str, ByIdentifier] = field(default_factory=dict)  # targets it will not hold
    withheld: frozenset[int] = frozenset()  # deliveries that the consent does not cover any more

    def note(self, delivery: Delivery, place: str, etag: str | None) -> None:
        """The destination holds a version of ours there, under this version tag."""
        held = RemoteVersion(delivery.type, delivery.id, delivery.version, etag, delivery.content_hash)
        self.held[delivery.reference] = held
        self.stands_at(delivery.reference, place)

    def stands_at(self, reference: str, place: str) -> None:
        """One of ours stands there at the destination, whoever wrote to it last."""
        if place != reference:
            self.links[reference] = place


@dataclass
class Sorted:
    """A lane, sorted out."""

    ready: list[Delivery] = field(default_factory=list)  # targets first
    ended: list[Ended] = field(default_factory=list)
    behind: list[Delivery] = field(default_factory=list)  # what they refer to is still on its way


def gather(books: Books, destination: Destination, capability: Capability, claim: ClaimedLane) -> Knowledge:
    """Asks the books once for everything about a claimed lane."""
    withheld = books.delivery_checks.no_longer_shared(claim.deliveries)
    staying = {
        delivery.reference
        for delivery in claim.deliveries
        if delivery.seq in withheld or destination.dialect.refusal(delivery.type, delivery.content)
    }
    own = {delivery.reference for delivery in claim.deliveries} - staying
    targets = {target for delivery in claim.deliveries for target in _targets(delivery)}
    everything = own | targets
    held = books.remote_versions.find_many(destination.id, everything)
    links = books.destination_ids.find_many(destination.id, everything)
    strange = {
        target
        for target in targets
        if target not in links and not takes(destination, capability, _kind(target))
    }
    absent = targets - own - staying - set(held) - set(links) - strange
    undelivered = books.deliveries.undelivered(destination.id, absent) if absent else {}
    never = {target for target, state in undelivered.items() if state not in PARKED | ON_ITS_WAY}
    return Knowledge(
        links={ours: link.theirs for ours, link in links.items()},
        held=dict(held),
        undelivered=undelivered,
        logical=_logical(books, strange | never | (staying & targets) - set(held)),
        withheld=frozenset(withheld),
    )


def sort_out(
    destination: Destination, capability: Capability, claim: ClaimedLane, known: Knowledge
) -> Sorted:
    """Decides about every delivery of the lane."""
    found = Sorted()
    going: dict[str, Delivery] = {}
    for delivery in claim.deliveries:
        ended = _not_sent(destination, capability, delivery, known)
        if ended is not None:
            found.ended.append(ended)
        else:
            going[delivery.reference] = delivery
    refers = {reference: _targets(delivery) for reference, delivery in going.items()}
    waits = {reference: _parked_target(targets, known) for reference, targets in refers.items()}
    parked = {reference for reference, target in waits.items() if target is not None}
    for reference in parked | dependants(parked, refers):
        found.ended.append(waiting_for(going.pop(reference), waits[reference]))
    on_their_way = {target for target, state in known.undelivered.items() if state in ON_ITS_WAY}
    behind = {reference for reference in going if not on_their_way.isdisjoint(refers[reference])}
    for reference in _held_up(going, behind, refers):
        found.behind.append(going.pop(reference))
    found.ready = [going[reference] for reference in targets_first(list(going), refers)]
    return found


def _held_up(
    going: Mapping[str, Delivery], behind: set[str], refers: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """What is behind another delivery, and all that came about after the first of it: nothing overtakes it."""
    behind = behind | (dependants(behind, refers) & going.keys())
    order = list(going)
    later = set(order[min(map(order.index, behind)) :]) if behind else set()
    held_up = later | dependants(later, refers)
    return [reference for reference in order if reference in held_up]


def waiting_for(delivery: Delivery, target: str | None) -> Ended:
    """A delivery that waits until what it refers to is there."""
    reason = f"waits for {target}, which is not there" if target else "waits for what it refers to"
    return Ended(delivery.seq, DeliveryState.WAITING, None, reason)


def _not_sent(
    destination: Destination, capability: Capability, delivery: Delivery, known: Knowledge
) -> Ended | None:
    if delivery.seq in known.withheld:
        return Ended(delivery.seq, DeliveryState.WITHHELD, None, "the consent does not cover it any more")
    held = known.held.get(delivery.reference)
    if held is not None and held.version > delivery.version:
        return Ended(delivery.seq, DeliveryState.SUPERSEDED, None, "a newer version is there")
    if not destination.takes(delivery.type):
        reason = "the destination file does not name this type"
        if delivery.type == "Patient":
            reason = "the destination keeps its own patients"
        return Ended(delivery.seq, DeliveryState.NOT_WANTED, None, reason)
    if not takes(destination, capability, delivery.type):
        return Ended(
            delivery.seq, DeliveryState.NOT_WANTED, None, "the server offers no way to write this type"
        )
    refusal = destination.dialect.refusal(delivery.type, delivery.content)
    if refusal is not None:
        return Ended(delivery.seq, DeliveryState.NOT_WANTED, None, refusal)
    by_our_id = capability.strategy(destination, delivery.type) is WriteStrategy.OUR_ID
    if not by_our_id and not _can_be_found(delivery.content):
        return Ended(
            delivery.seq, DeliveryState.NOT_WANTED, None, "the server would have nothing to find it by"
        )
    return None


def _can_be_found(content: bytes) -> bool:
    try:
        return found_by(content) is not None
    except NotUnderstood:
        return True  # a fault of ours in this one alone: it is told when it cannot be rendered


def _targets(delivery: Delivery) -> tuple[str, ...]:
    # A document Bundle holds what it refers to.
    return () if delivery.type == "Bundle" else delivery.refs


def _parked_target(targets: Iterable[str], known: Knowledge) -> str | None:
    return next((t for t in targets if known.undelivered.get(t) in PARKED), None)


def _logical(books: Books, references: set[str]) -> dict[str, ByIdentifier]:
    if not references:
        return {}
    targets = books.published.find_many(Reader.house(), references)
    found = {}
    for reference in references:
        target = targets.get(reference)
        identifier = business_identifier(read_content(target.content)) if target is not None else None
        found[reference] = ByIdentifier(_kind(reference), identifier)
    return found


def _kind(reference: str) -> str:
    return reference.partition("/")[0]
