"""Draws the states of a delivery from the table of transitions, and lists the transitions."""

from dataclasses import dataclass
from html import escape

from docs.generated_pages.markdown import page, table
from fhir_pmp.store.delivery.deliveries import DeliveryState
from fhir_pmp.store.delivery.transitions import TRANSITIONS, Transition

_INK, _PALE, _BLUE = "#212b32", "#425563", "#005eb8"
_WIDTH, _HEIGHT = 150, 62


@dataclass(frozen=True, slots=True)
class _Box:
    """The position of a state in the picture (upper left corner), and the text below its name."""

    x: int
    y: int
    lines: tuple[str, ...]
    is_end: bool = False  # normally final: the delivery does not leave this state


@dataclass(frozen=True, slots=True)
class _Edge:
    """The SVG path of the transitions between two states, and the position of their label."""

    path: str
    x: int
    y: int
    anchor: str = "middle"


_BOXES = {
    DeliveryState.PENDING: _Box(150, 110, ("due, in its lane's order",)),
    DeliveryState.IN_FLIGHT: _Box(520, 110, ("claimed under a lease",)),
    DeliveryState.SENT: _Box(930, 110, ("accepted, or found there",), is_end=True),
    DeliveryState.WAITING: _Box(150, 330, ("for a Patient, or for", "a referenced resource")),
    DeliveryState.SUPERSEDED: _Box(390, 400, ("a newer version", "is sent instead"), is_end=True),
    DeliveryState.NOT_WANTED: _Box(595, 400, ("the destination does", "not accept it"), is_end=True),
    DeliveryState.WITHHELD: _Box(790, 400, ("consent does", "not cover it"), is_end=True),
    DeliveryState.DEAD: _Box(985, 330, ("with a work item", "for a person")),
}

_EDGES: dict[tuple[DeliveryState | None, DeliveryState], _Edge] = {
    (None, DeliveryState.PENDING): _Edge("M47 141 L146 141", 95, 132),
    (DeliveryState.PENDING, DeliveryState.IN_FLIGHT): _Edge("M300 128 L516 128", 408, 119),
    (DeliveryState.IN_FLIGHT, DeliveryState.PENDING): _Edge("M520 156 L304 156", 408, 174),
    (DeliveryState.IN_FLIGHT, DeliveryState.IN_FLIGHT): _Edge("M630 110 C630 70 560 70 560 106", 595, 72),
    (DeliveryState.IN_FLIGHT, DeliveryState.SENT): _Edge("M670 141 L926 141", 798, 132),
    (DeliveryState.SENT, DeliveryState.PENDING): _Edge("M1005 110 L1005 40 L225 40 L225 106", 595, 33),
    (DeliveryState.PENDING, DeliveryState.WAITING): _Edge("M190 172 L190 326", 183, 240, "end"),
    (DeliveryState.WAITING, DeliveryState.PENDING): _Edge("M225 330 L225 176", 218, 290, "end"),
    (DeliveryState.IN_FLIGHT, DeliveryState.WAITING): _Edge("M540 172 C500 260 400 340 304 358", 352, 335),
    (DeliveryState.PENDING, DeliveryState.SUPERSEDED): _Edge(
        "M270 172 C310 270 380 340 430 396", 300, 232, "start"
    ),
    (DeliveryState.WAITING, DeliveryState.SUPERSEDED): _Edge("M300 380 L386 420", 328, 420),
    (DeliveryState.IN_FLIGHT, DeliveryState.SUPERSEDED): _Edge("M575 172 L480 396", 520, 325),
    (DeliveryState.IN_FLIGHT, DeliveryState.NOT_WANTED): _Edge("M605 172 L665 396", 648, 350),
    (DeliveryState.IN_FLIGHT, DeliveryState.WITHHELD): _Edge("M635 172 L840 396", 770, 330),
    (DeliveryState.IN_FLIGHT, DeliveryState.DEAD): _Edge(
        "M670 160 C800 200 1000 240 1050 326", 930, 215, "start"
    ),
    (DeliveryState.DEAD, DeliveryState.SUPERSEDED): _Edge("M1020 392 L1020 490 L465 490 L465 466", 720, 481),
    (DeliveryState.WAITING, DeliveryState.WITHHELD): _Edge("M225 392 L225 520 L850 520 L850 466", 540, 514),
    (DeliveryState.PENDING, DeliveryState.WITHHELD): _Edge(
        "M150 162 L110 162 L110 550 L880 550 L880 466", 540, 544
    ),
    (DeliveryState.DEAD, DeliveryState.PENDING): _Edge(
        "M1080 392 L1080 580 L80 580 L80 152 L146 152", 540, 574
    ),
}

_NOTES = (
    "A dashed arrow returns to an earlier state. A thick border marks a state that is normally final.",
    "A dead delivery blocks only resources that refer to it; the rest of its lane, and all other lanes, continue.",
    "A delivery that may have arrived is read and compared before it is sent again. Responses of an older epoch are ignored.",
)


def delivery_states_picture() -> str:
    """Returns the picture as SVG. Raises KeyError where edges and transitions do not match."""
    parts = [
        """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 10 1180 670" """
        """font-family="'Source Sans 3', Helvetica, Arial, sans-serif" role="img" aria-labelledby="t d">""",
        '<title id="t">The states of a delivery</title>',
        f'<desc id="d">{escape(_description())}</desc>',
        '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" fill="{_INK}"/></marker></defs>',
        '<rect y="10" width="1180" height="670" fill="#ffffff"/>',
        f'<circle cx="40" cy="141" r="7" fill="{_INK}"/>',
    ]
    events = _events_by_edge()
    if unused := _EDGES.keys() - events.keys():
        raise KeyError(unused)
    parts += [_arrow(before, after) for before, after in events]
    parts += [_box(state) for state in DeliveryState]
    # Labels are drawn last, so that no arrow crosses a text.
    parts += [_label(_EDGES[edge], names) for edge, names in events.items()]
    parts += [
        f'<text x="25" y="{615 + 24 * n}" font-size="13.5" fill="{_INK}">{escape(note)}</text>'
        for n, note in enumerate(_NOTES)
    ]
    return "\n".join([*parts, "</svg>", ""])


def delivery_states_page() -> str:
    """Returns the page with the picture and every transition, in the order of the table."""
    opening = (
        "For operators and developers of the outbox. What can change the state of a delivery, and what causes it; "
        "[how it works](../explanation/how-it-works.md#a-delivery) explains the lanes and leases around it."
    )
    rows = [
        (_name(t.before), t.event.value, _name(t.after), ", ".join(sorted(cause.value for cause in t.by)))
        for t in TRANSITIONS
    ]
    return page(
        "The states of a delivery",
        opening,
        "![The states of a delivery](../images/delivery-states.svg)",
        table(("from", "event", "to", "caused by"), rows),
    )


def _events_by_edge() -> dict[tuple[DeliveryState | None, DeliveryState], list[str]]:
    edges: dict[tuple[DeliveryState | None, DeliveryState], list[str]] = {}
    for t in TRANSITIONS:
        edges.setdefault((t.before, t.after), []).append(t.event.value)
    return edges


def _arrow(before: DeliveryState | None, after: DeliveryState) -> str:
    is_return = after is DeliveryState.PENDING and before is not None
    dashed = ' stroke-dasharray="5 4"' if is_return else ""
    path = _EDGES[before, after].path
    return f'<path d="{path}" stroke="{_INK}" stroke-width="1.5" fill="none" marker-end="url(#a)"{dashed}/>'


def _box(state: DeliveryState) -> str:
    box = _BOXES[state]
    middle = box.x + _WIDTH / 2
    first = box.y + (27.5 if len(box.lines) == 1 else 19)
    border = f'stroke="{_PALE}" stroke-width="3"' if box.is_end else f'stroke="{_BLUE}" stroke-width="1.5"'
    texts = [
        f'<rect x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="#f0f4f5" {border}/>',
        f'<text x="{middle}" y="{first}" text-anchor="middle" font-size="15" font-weight="600" fill="{_INK}">'
        f"{_name(state)}</text>",
    ]
    texts += [
        f'<text x="{middle}" y="{first + 17 * n}" text-anchor="middle" font-size="12.5" fill="{_PALE}">'
        f"{escape(line)}</text>"
        for n, line in enumerate(box.lines, 1)
    ]
    return "\n".join(texts)


def _label(edge: _Edge, events: list[str]) -> str:
    return (
        f'<text x="{edge.x}" y="{edge.y}" text-anchor="{edge.anchor}" font-size="12.5" fill="{_PALE}" '
        f'stroke="#ffffff" stroke-width="5" paint-order="stroke">{escape(", ".join(events))}</text>'
    )


def _description() -> str:
    return " ".join(f"{_sentence(t)}." for t in TRANSITIONS)


def _sentence(t: Transition) -> str:
    start = "A new delivery" if t.before is None else f"From {_name(t.before)}"
    return f"{start}, by {t.event.value}: {_name(t.after)}"


def _name(state: DeliveryState | None) -> str:
    return "(new)" if state is None else state.value.replace("_", " ")
