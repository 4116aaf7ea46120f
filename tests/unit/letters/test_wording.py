"""The wording file says every sentence with exactly the words it is given, and names each line that is wrong."""

from pathlib import Path

import pytest

from fhir_pmp.letters.text.letter_facts import LONGEST_FIELD, FieldNotPrintable, LetterFields
from fhir_pmp.letters.text.letter_wording import join_words, load_wording, lower_first
from fhir_pmp.mapping_file import MappingFaults
from tests.spec.letters.golden_cases import MAPPINGS, clinic

SHIPPED = (MAPPINGS / "letters" / "wording.yaml").read_text(encoding="utf-8")


def load(text: str, folder: Path) -> None:
    file = folder / "wording.yaml"
    file.write_text(text, encoding="utf-8")
    load_wording(file, clinic().instruments)


def faults(text: str, folder: Path) -> list[str]:
    with pytest.raises(MappingFaults) as refused:
        load(text, folder)
    return [str(fault) for fault in refused.value.faults]


def test_the_shipped_wording_loads(tmp_path: Path) -> None:
    load(SHIPPED, tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        'finished: "Finished, with {lessons} completed."',  # forgets the date
        'finished: "Finished on {date} {date}, with {lessons} completed."',  # says it twice
        'finished: "Finished on {date}, with {lessons} and {percent} completed."',  # asks for what is not given
        'finished: "Finished on {date.year}, with {lessons} completed."',  # reaches into a value
        'finished: "Finished on {date!r}, with {lessons} completed."',
        'finished: "Finished on {date:>99999999}, with {lessons} completed."',
        'finished: "Finished on {date, with {lessons} completed."',
    ],
)
def test_a_sentence_with_other_words_is_refused_by_its_line(wrong: str, tmp_path: Path) -> None:
    line = next(line for line in SHIPPED.splitlines() if line.strip().startswith("finished:"))
    number = SHIPPED.splitlines().index(line) + 1
    found = faults(SHIPPED.replace(line.strip(), wrong), tmp_path)
    assert len(found) == 1
    assert f"wording.yaml:{number} sentences.finished" in found[0]


def test_every_fault_is_named_in_one_run(tmp_path: Path) -> None:
    text = SHIPPED.replace("  stopped:", "  stoped:").replace("  phq9-9:", "  phq9-99:")
    found = faults(text, tmp_path)
    assert [fault for fault in found if "sentences.stopped: is missing" in fault]
    assert [fault for fault in found if "sentences.stoped: is not a key we know" in fault]
    assert [fault for fault in found if "safety_items.phq9-99: is no safety item" in fault]


def test_lists_read_as_prose() -> None:
    assert join_words([]) == ""
    assert join_words(["start"]) == "start"
    assert join_words(["start", "end of programme"]) == "start and end of programme"
    assert join_words(["screening", "start", "end"]) == "screening, start and end"
    assert lower_first("End of programme") == "end of programme"


def test_a_field_that_cannot_be_printed_is_named_and_not_quoted() -> None:
    with pytest.raises(FieldNotPrintable) as refused:
        LetterFields(
            gp_actions="a\x00b", comment="x" * (LONGEST_FIELD + 1), stop_reason="fine\n\twith lines\r\n"
        )
    assert [fault.field for fault in refused.value.faults] == ["gp_actions", "comment"]
    assert "a\x00b" not in str(refused.value)
