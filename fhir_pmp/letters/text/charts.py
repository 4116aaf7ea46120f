"""Draws a small chart of one scale over the timepoints.

Its alt text states the numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from xml.sax.saxutils import escape, quoteattr

from fhir_pmp.instruments.definition import Better

WIDTH, HEIGHT = 200, 88
_LEFT, _RIGHT, _TOP, _BOTTOM = 20, 198, 12, 62
_INK, _GREY, _FAINT, _BLUE = "#212b32", "#4c6272", "#d8dde0", "#005eb8"


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One timepoint on the chart. `value` None: there is no score, and `text` states why."""

    label: str
    value: Fraction | None
    text: str  # the published score, or the wording of its absence


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart and its alt text."""

    svg: str
    alt: str


def draw_chart(
    title: str,
    lowest: Fraction,
    highest: Fraction,
    better: Better,
    points: Sequence[ChartPoint],
    band_edges: Sequence[Fraction] = (),
) -> Chart:
    """Draws one scale over its timepoints: dots with scores, joined if consecutive.

    Colour has no meaning: words state which way is better, because many people cannot tell green from red.
    """
    alt = _alt(title, lowest, highest, better, points)
    columns = _columns(len(points))
    heights = [None if point.value is None else _height(point.value, lowest, highest) for point in points]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label={quoteattr(alt)}>',
        *(_edge(_height(edge, lowest, highest)) for edge in band_edges),
        _axis(_BOTTOM, lowest),
        _axis(_TOP, highest),
        *_connecting_lines(columns, heights),
    ]
    for point, x, y in zip(points, columns, heights, strict=True):
        parts.extend(_label(x, point.label))
        if y is None:
            parts.append(_text(x, _BOTTOM - 4, "no score", "middle", 8, _GREY))
        else:
            parts.append(f'<circle cx="{x}" cy="{y}" r="2.8" fill="{_BLUE}"/>')
            parts.append(_text(x, _above(y), point.text, "middle", 9.5, _INK))
    return Chart("".join([*parts, "</svg>"]), alt)


def _alt(
    title: str, lowest: Fraction, highest: Fraction, better: Better, points: Sequence[ChartPoint]
) -> str:
    texts = "; ".join(f"{point.label}: {point.text}" for point in points)
    return f"{title}, from {lowest} to {highest}, {better.value} is better. {texts}."


def _columns(count: int) -> list[int]:
    width = (_RIGHT - _LEFT) // max(count, 1)
    return [_LEFT + width * position + width // 2 for position in range(count)]


def _height(value: Fraction, lowest: Fraction, highest: Fraction) -> int:
    return _BOTTOM - round((value - lowest) / (highest - lowest) * (_BOTTOM - _TOP))


def _above(y: int) -> int:
    # A score at the very top would be cut off: its number goes below the dot.
    return y - 5 if y > _TOP + 3 else y + 13


def _axis(y: int, value: Fraction) -> str:
    line = f'<line x1="{_LEFT}" y1="{y}" x2="{_RIGHT}" y2="{y}" stroke="{_GREY}" stroke-width="0.6"/>'
    return line + _text(_LEFT - 4, y + 3, str(value), "end", 8, _GREY)


def _edge(y: int) -> str:
    return f'<line x1="{_LEFT}" y1="{y}" x2="{_RIGHT}" y2="{y}" stroke="{_FAINT}" stroke-width="0.6" stroke-dasharray="3 3"/>'


def _connecting_lines(columns: Sequence[int], heights: Sequence[int | None]) -> list[str]:
    joined = []
    for (x1, y1), (x2, y2) in zip(
        zip(columns, heights, strict=True), zip(columns[1:], heights[1:], strict=True), strict=False
    ):
        if y1 is not None and y2 is not None:
            joined.append(
                f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{_BLUE}" stroke-width="1.3"/>'
            )
    return joined


def _label(x: int, label: str) -> list[str]:
    """The timepoint's name on at most two lines of about the same length."""
    words = label.split()
    cut = min(
        range(1, len(words) + 1), key=lambda at: max(len(" ".join(words[:at])), len(" ".join(words[at:])))
    )
    lines = [" ".join(words[:cut]), " ".join(words[cut:])]
    return [
        _text(x, _BOTTOM + 11 + 9 * row, line, "middle", 8, _GREY) for row, line in enumerate(lines) if line
    ]


def _text(x: int, y: int, text: str, anchor: str, size: float, colour: str) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-family="\'Source Sans 3\', Arial, sans-serif" '
        f'font-size="{size}" fill="{colour}" stroke="#ffffff" stroke-width="2" paint-order="stroke">{escape(text)}</text>'
    )
