"""A chart shows the scores, says them in words, and draws nothing where there is no score."""

from fractions import Fraction
from xml.etree import ElementTree

from fhir_pmp.instruments.definition import Better
from fhir_pmp.letters.text.charts import HEIGHT, WIDTH, Chart, ChartPoint, draw_chart

SVG = "{http://www.w3.org/2000/svg}"


def chart(*points: ChartPoint, better: Better = Better.LOWER) -> Chart:
    return draw_chart("Depression symptoms (PHQ-9)", Fraction(0), Fraction(27), better, points, [Fraction(5)])


def point(label: str, value: int | None, text: str | None = None) -> ChartPoint:
    return ChartPoint(label, None if value is None else Fraction(value), text or str(value))


def test_the_alt_text_holds_every_number_and_every_absence() -> None:
    drawn = chart(
        point("Start", 15), point("End of programme", 7), point("Follow-up", None, "due and not received")
    )
    assert drawn.alt == (
        "Depression symptoms (PHQ-9), from 0 to 27, lower is better. "
        "Start: 15; End of programme: 7; Follow-up: due and not received."
    )
    assert ElementTree.fromstring(drawn.svg).attrib["aria-label"] == drawn.alt


def test_a_higher_score_stands_higher_whatever_is_better() -> None:
    for better in Better:
        svg = ElementTree.fromstring(chart(point("a", 3), point("b", 20), better=better).svg)
        low, high = (float(dot.attrib["cy"]) for dot in svg.iter(f"{SVG}circle"))
        assert high < low


def test_no_line_bridges_a_missing_score() -> None:
    svg = ElementTree.fromstring(chart(point("a", 3), point("b", None, "not offered"), point("c", 20)).svg)
    assert len(list(svg.iter(f"{SVG}circle"))) == 2
    assert "no score" in [text.text for text in svg.iter(f"{SVG}text")]
    slanted = [line for line in svg.iter(f"{SVG}line") if line.attrib["y1"] != line.attrib["y2"]]
    assert slanted == []


def test_everything_stands_inside_the_picture_at_both_ends_of_the_scale() -> None:
    svg = ElementTree.fromstring(chart(point("Screening", 0), point("End of programme", 27)).svg)
    for text in svg.iter(f"{SVG}text"):
        assert 0 <= float(text.attrib["x"]) <= WIDTH
        assert 6 <= float(text.attrib["y"]) <= HEIGHT


def test_a_label_is_text_in_the_picture_never_markup() -> None:
    svg = ElementTree.fromstring(chart(point("<b>&\"'", 1), point("b", 2)).svg)
    assert "<b>&\"'" in [text.text for text in svg.iter(f"{SVG}text")]


def test_no_colour_says_better_or_worse() -> None:
    up, down = chart(point("a", 3), point("b", 20)), chart(point("a", 20), point("b", 3))
    colours = [
        {e.attrib.get("fill") or e.attrib.get("stroke") for e in ElementTree.fromstring(c.svg)}
        for c in (up, down)
    ]
    assert colours[0] == colours[1]
