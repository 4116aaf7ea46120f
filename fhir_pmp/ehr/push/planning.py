"""Plans a claimed lane: what is sent, in which order, and what is not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fhir_pmp.ehr.capability.server_capability import Capability, accepts_type
from fhir_pmp.ehr.config.content import read_content
from fhir_pmp.ehr.config.destinations import Destination, WriteStrategy
from fhir_pmp.ehr.exchange.rendering import LogicalReference, business_identifier, search_query_for
from fhir_pmp.ehr.push.send_order import dependants, targets_first
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.delivery.deliveries import ClaimedLane, Delivery, DeliveryState, EndedResult
from fhir_pmp.store.remote_state.remote_versions import RemoteVersion
from fhir_pmp.store.versions.read_scope import Reader

BLOCKED_STATES = frozenset({DeliveryState.DEAD, DeliveryState.WAITING})
UNREAD_VERSION = 0
"""Our version number for what stands there and is none that we know: it is read before anything is written."""
UNFINISHED_STATES = frozenset({DeliveryState.PENDING, DeliveryState.IN_FLIGHT})


@dataclass
class LaneSnapshot:
    """What is stored about a lane's resources and their references at one destination.

    It grows as responses come in.
    """

    links: dict[str, str] = field(default_factory=dict)  # ours: what the destination calls it
    held: dict[str, RemoteVersion] = field(default_factory=dict)  # what of ours it holds
    undelivered: Mapping[str, DeliveryState | None] = field(default_factory=dict)  # targets never sent there
    logical: Mapping[str, LogicalReference] = field(default_factory=dict)  # targets it will not hold
    withheld: frozenset[int] = frozenset()  # deliveries that the consent does not cover any more

    def record_version(self, delivery: Delivery, place: str, etag: str | None) -> None:
        """The destination holds a version of ours there, under this version tag."""
        held = RemoteVersion(delivery.type, delivery.id, delivery.version, etag, delivery.content_hash)
        self.held[delivery.reference] = held
        self.record_remote_reference(delivery.reference, place)

    def record_remote_reference(self, reference: str, place: str) -> None:
        """One of ours stands there at the destination, whoever wrote to it last."""
        if place != reference:
            self.links[reference] = place


@dataclass
class LanePlan:
    """A lane, sorted out."""

    ready: list[Delivery] = field(default_factory=list)  # targets first
    ended: list[EndedResult] = field(default_factory=list)
    deferred: list[Delivery] = field(default_factory=list)  # what they refer to is still on its way


def load_snapshot(
    uow: UnitOfWork, destination: Destination, capability: Capability, claim: ClaimedLane
) -> LaneSnapshot:
    """Reads everything stored about a claimed lane, once."""
    withheld = uow.delivery_checks.find_no_longer_shared(claim.deliveries)
    staying = {
        delivery.reference
        for delivery in claim.deliveries
        if delivery.seq in withheld
        or destination.content_rules.refusal_reason(delivery.type, delivery.content)
    }
    own = {delivery.reference for delivery in claim.deliveries} - staying
    targets = {target for delivery in claim.deliveries for target in _targets(delivery)}
    everything = own | targets
    held = uow.remote_versions.find_many(destination.id, everything)
    links = uow.remote_ids.find_many(destination.id, everything)
    not_accepted = {
        target
        for target in targets
        if target not in links and not accepts_type(destination, capability, _kind(target))
    }
    absent = targets - own - staying - set(held) - set(links) - not_accepted
    undelivered = uow.deliveries.find_undelivered(destination.id, absent) if absent else {}
    never_sent = {
        target for target, state in undelivered.items() if state not in BLOCKED_STATES | UNFINISHED_STATES
    }
    return LaneSnapshot(
        links={ours: link.remote_reference for ours, link in links.items()},
        held=dict(held),
        undelivered=undelivered,
        logical=_logical(uow, not_accepted | never_sent | (staying & targets) - set(held)),
        withheld=frozenset(withheld),
    )


def plan_lane(
    destination: Destination, capability: Capability, claim: ClaimedLane, snapshot: LaneSnapshot
) -> LanePlan:
    """Decides about every delivery of the lane."""
    found = LanePlan()
    going: dict[str, Delivery] = {}
    for delivery in claim.deliveries:
        ended = _reason_not_sent(destination, capability, delivery, snapshot)
        if ended is not None:
            found.ended.append(ended)
        else:
            going[delivery.reference] = delivery
    refers = {reference: _targets(delivery) for reference, delivery in going.items()}
    waits = {reference: _blocked_target(targets, snapshot) for reference, targets in refers.items()}
    blocked = {reference for reference, target in waits.items() if target is not None}
    for reference in blocked | dependants(blocked, refers):
        found.ended.append(waiting_for(going.pop(reference), waits[reference]))
    unfinished = {target for target, state in snapshot.undelivered.items() if state in UNFINISHED_STATES}
    deferred = {reference for reference in going if not unfinished.isdisjoint(refers[reference])}
    for reference in _deferred_with_followers(going, deferred, refers):
        found.deferred.append(going.pop(reference))
    found.ready = [going[reference] for reference in targets_first(list(going), refers)]
    return found


def _deferred_with_followers(
    going: Mapping[str, Delivery], deferred: set[str], refers: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """What is behind another delivery, and all that came about after the first of it: nothing overtakes it."""
    deferred = deferred | (dependants(deferred, refers) & going.keys())
    order = list(going)
    later = set(order[min(map(order.index, deferred)) :]) if deferred else set()
    deferred_ids = later | dependants(later, refers)
    return [reference for reference in order if reference in deferred_ids]


def waiting_for(delivery: Delivery, target: str | None) -> EndedResult:
    """A delivery that waits until what it refers to is there."""
    reason = f"waits for {target}, which is not there" if target else "waits for what it refers to"
    return EndedResult(delivery.seq, DeliveryState.WAITING, None, reason)


def _reason_not_sent(
    destination: Destination, capability: Capability, delivery: Delivery, snapshot: LaneSnapshot
) -> EndedResult | None:
    if delivery.seq in snapshot.withheld:
        return EndedResult(
            delivery.seq, DeliveryState.WITHHELD, None, "the consent does not cover it any more"
        )
    held = snapshot.held.get(delivery.reference)
    if held is not None and held.version > delivery.version:
        return EndedResult(delivery.seq, DeliveryState.SUPERSEDED, None, "a newer version is there")
    if not destination.accepts_type(delivery.type):
        reason = "the destination file does not name this type"
        if delivery.type == "Patient":
            reason = "the destination keeps its own patients"
        return EndedResult(delivery.seq, DeliveryState.NOT_WANTED, None, reason)
    if not accepts_type(destination, capability, delivery.type):
        return EndedResult(
            delivery.seq, DeliveryState.NOT_WANTED, None, "the server offers no way to write this type"
        )
    refusal_reason = destination.content_rules.refusal_reason(delivery.type, delivery.content)
    if refusal_reason is not None:
        return EndedResult(delivery.seq, DeliveryState.NOT_WANTED, None, refusal_reason)
    by_our_id = capability.strategy(destination, delivery.type) is WriteStrategy.OUR_ID
    if not by_our_id and not _can_be_found(delivery.content):
        return EndedResult(
            delivery.seq, DeliveryState.NOT_WANTED, None, "the server would have nothing to find it by"
        )
    return None


def _can_be_found(content: bytes) -> bool:
    try:
        return search_query_for(content) is not None
    except NotUnderstood:
        return True  # a fault of ours in this one alone: it is told when it cannot be rendered


def _targets(delivery: Delivery) -> tuple[str, ...]:
    # A document Bundle holds what it refers to.
    return () if delivery.type == "Bundle" else delivery.refs


def _blocked_target(targets: Iterable[str], snapshot: LaneSnapshot) -> str | None:
    return next((t for t in targets if snapshot.undelivered.get(t) in BLOCKED_STATES), None)


def _logical(uow: UnitOfWork, references: set[str]) -> dict[str, LogicalReference]:
    if not references:
        return {}
    targets = uow.published.find_many(Reader.internal(), references)
    found = {}
    for reference in references:
        target = targets.get(reference)
        identifier = business_identifier(read_content(target.content)) if target is not None else None
        found[reference] = LogicalReference(_kind(reference), identifier)
    return found


def _kind(reference: str) -> str:
    return reference.partition("/")[0]
