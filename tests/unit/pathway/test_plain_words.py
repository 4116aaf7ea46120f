"""The words of dates, answers and result lines."""

from datetime import date

import pytest

from fhir_pmp.identifiers import LinkId
from fhir_pmp.instruments.definition import Item
from fhir_pmp.pathway.plain_words import answer_words, label_words, plain_date, result_words
from tests.unit.pathway.examples import FREQUENCY


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 4, 5), "5 April 2026"),
        (date(2026, 12, 31), "31 December 2026"),
        (date(2027, 1, 1), "1 January 2027"),
    ],
)
def test_a_date_is_written_as_people_write_it(day: date, words: str) -> None:
    assert plain_date(day) == words


def test_every_month_has_its_name() -> None:
    names = [plain_date(date(2026, month, 1)).split()[1][:3] for month in range(1, 13)]
    assert names == ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def test_an_answer_bears_its_label_and_its_value() -> None:
    verbal = Item(LinkId("mood-1"), "mood", None, FREQUENCY, 0, 3)
    number = Item(LinkId("pain-1"), "pain", None, (), 0, 10)
    assert answer_words(verbal, 0) == "not at all (0)"
    assert label_words(verbal, 2) == "more than half"
    assert (answer_words(number, 7), label_words(number, 7)) == ("7", "7")


def test_a_result_line_counts_all_its_measures() -> None:
    assert result_words(3, 1, 0, 2) == "Of 6 measures: 3 improved, 1 unchanged, 0 worsened, 2 not known"
    assert result_words(0, 0, 1, 0) == "Of 1 measure: 0 improved, 0 unchanged, 1 worsened, 0 not known"
