"""Orders resources for sending: the target of a reference goes before its source."""

from collections.abc import Collection, Mapping, Sequence


def targets_first(references: Sequence[str], refers_to: Mapping[str, Collection[str]]) -> list[str]:
    """Orders references so that each follows those it refers to; otherwise as given.

    Where two refer to each other, the first given goes first: in one transaction that does no harm.
    """
    among = set(references)
    ordered: list[str] = []
    ordered_so_far: set[str] = set()
    for reference in references:
        waiting = [(reference, False)]
        opened: set[str] = set()
        while waiting:
            current, targets_ordered = waiting.pop()
            if current in ordered_so_far or (current in opened and not targets_ordered):
                continue
            if targets_ordered:
                ordered_so_far.add(current)
                ordered.append(current)
                continue
            opened.add(current)
            waiting.append((current, True))
            targets = [target for target in refers_to.get(current, ()) if target in among]
            waiting += [(target, False) for target in reversed(targets)]
    return ordered


def dependants(of: Collection[str], refers_to: Mapping[str, Collection[str]]) -> set[str]:
    """Everything that refers to one of these, directly or through others."""
    found: set[str] = set(of)
    grown = True
    while grown:
        more = {
            one for one, targets in refers_to.items() if one not in found and not found.isdisjoint(targets)
        }
        grown = bool(more)
        found |= more
    return found - set(of)
