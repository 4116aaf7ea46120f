"""The one reader of mapping YAML: each fault names file, line and field, and all of them come in one run."""

import re
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

import pytest

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.mapping_file import Form, MappingFaults, MappingTable, load_folder, load_mapping, read_mapping
from fhir_pmp.yaml_document import MAX_FILE_BYTES


class Kind(StrEnum):
    LEFT = "left"
    RIGHT = "right"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "folder" / "file.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def faults_of(folder: Path, text: str | bytes, read: object = lambda table: table.text("a")) -> list[str]:
    faults: list[Fault] = []
    assert callable(read)
    read_mapping(written(folder, text), read, faults)
    return [str(fault) for fault in faults]


def test_values_are_exact_and_of_their_kind(tmp_path: Path) -> None:
    text = """
text: no
date: 2026-01-01
whole: -12
number: 6.48
flag: true
word: right
nothing: null
list: [one, two]
tables: [{x: 1}, {x: 2}]
named: {first: {x: 3}}
texts: {key: value}
"""

    def read(table: MappingTable) -> dict[str, object]:
        return {
            "text": table.text("text"),  # YAML 1.2: no is a word
            "date": table.text("date"),
            "whole": table.whole("whole"),
            "number": table.number("number"),
            "flag": table.flag("flag"),
            "word": table.one_of("word", Kind),
            "nothing": (
                table.text_or_none("nothing"),
                table.text_or_null("nothing"),
                table.whole_or_null("nothing"),
            ),
            "absent": (
                table.whole_or_none("absent"),
                table.number_or_none("absent"),
                table.table_or_none("absent"),
            ),
            "lists": (table.texts("list"), table.texts_or_none("absent"), table.tables_or_none("absent")),
            "tables": [part.whole("x") for part in table.tables("tables")],
            "named": {name: part.whole("x") for name, part in table.tables_by_name("named").items()},
            "texts": table.texts_by_name("texts"),
        }

    assert load_mapping(written(tmp_path, text), read) == {
        "text": "no",
        "date": "2026-01-01",
        "whole": -12,
        "number": Fraction(648, 100),
        "flag": True,
        "word": Kind.RIGHT,
        "nothing": (None, None, None),
        "absent": (None, None, None),
        "lists": (["one", "two"], [], []),
        "tables": [1, 2],
        "named": {"first": 3},
        "texts": {"key": "value"},
    }


def test_every_fault_of_a_file_is_told_in_one_run(tmp_path: Path) -> None:
    text = """a: [1]
b: one
c: {d: yes, e: 0x10}
f: 010
g: 1.5
h: middle
i: [x, 1, x]
j: x
k: ''
l: 1_0.5
spare: 1
"""

    def read(table: MappingTable) -> None:
        table.text("a")
        table.whole("b")
        inner = table.table("c")
        inner.flag("d")
        inner.whole("e")
        table.whole("f")
        table.whole("g")
        table.one_of("h", Kind)
        table.texts("i")
        table.texts("j")
        table.text("k")
        table.number("l")
        table.table("m").text("not noted: the table above is missing already")
        table.texts("mm")
        table.text_or_null("n")
        table.whole_or_null("o")
        table.table("j").text("not noted: it is no table")

    assert faults_of(tmp_path, text, read) == [
        "folder/file.yaml:1 a: must be text (quote it)",
        "folder/file.yaml:2 b: must be a whole number",
        "folder/file.yaml:3 c.d: must be true or false",
        "folder/file.yaml:3 c.e: must be a whole number in plain digits",
        "folder/file.yaml:4 f: must be a whole number in plain digits",
        "folder/file.yaml:5 g: must be a whole number",
        "folder/file.yaml:6 h: must be one of left, right",
        "folder/file.yaml:7 i[1]: must be text",
        "folder/file.yaml:7 i[2]: appears twice",
        "folder/file.yaml:8 j: must be a list",
        "folder/file.yaml:9 k: must not be empty",
        "folder/file.yaml:10 l: must be a number in plain digits",
        "folder/file.yaml:1 m: is missing",
        "folder/file.yaml:1 mm: is missing",
        "folder/file.yaml:1 n: is missing (null says that there is none)",
        "folder/file.yaml:1 o: is missing (null says that there is none)",
        "folder/file.yaml:8 j: must be a table (key: value)",
        "folder/file.yaml:11 spare: is not a key we know",
    ]


def test_bounds_and_forms_are_checked_where_they_are_given(tmp_path: Path) -> None:
    text = """low: 0
high: 17
exact: 4
above: 0.0
word: Two Words
words: [one, TWO, three]
within: {low: 1, high: 16, above: 0.5, word: word, words: [one]}
id: other
"""
    lower_case = Form(re.compile("[a-z]+"), "a lower-case word")

    def read(table: MappingTable) -> None:
        for part in (table, table.table("within")):
            part.whole("low", lowest=1)
            part.whole_or_none("high", 1, 16)
            part.number("above", above=0)
            part.text("word", lower_case)
            part.texts("words", lower_case)
        table.whole("exact", 5, 5)
        table.file_name("id")

    assert faults_of(tmp_path, text, read) == [
        "folder/file.yaml:1 low: must be 1 or more",
        "folder/file.yaml:2 high: must be from 1 to 16",
        "folder/file.yaml:4 above: must be greater than 0",
        "folder/file.yaml:5 word: must be a lower-case word",
        "folder/file.yaml:6 words[1]: must be a lower-case word",
        "folder/file.yaml:3 exact: must be 5",
        "folder/file.yaml:8 id: must be the name of the file",
    ]


def test_a_missing_value_gets_no_second_fault_for_its_bounds_or_form(tmp_path: Path) -> None:
    form = Form(re.compile("[a-z]+"), "a lower-case word")

    def read(table: MappingTable) -> None:
        table.whole("a", lowest=1)
        table.number("b", above=0)
        table.text("c", form)
        table.file_name("d")
        table.text_or_none("e", form)
        table.whole_or_none("f", 1, 2)

    assert faults_of(tmp_path, "a: x\nb: x\nc: ''\n", read) == [
        "folder/file.yaml:1 a: must be a whole number",
        "folder/file.yaml:2 b: must be a number",
        "folder/file.yaml:3 c: must not be empty",
        "folder/file.yaml:1 d: is missing",
    ]


def test_a_folder_is_loaded_by_file_name_or_every_fault_of_every_file_is_told(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(f"id: {name}\n")
    assert list(load_folder(tmp_path, lambda table: table.file_name("id")).items()) == [
        ("a", "a"),
        ("b", "b"),
    ]
    for name in ("b", "c"):
        (tmp_path / f"{name}.yaml").write_text("\nid: x\n")
    with pytest.raises(MappingFaults) as raised:
        load_folder(tmp_path, lambda table: table.file_name("id"))
    assert [fault.field.rpartition("/")[2] for fault in raised.value.faults] == ["b.yaml:2 id", "c.yaml:2 id"]


def test_a_misspelt_key_is_noted_at_every_depth(tmp_path: Path) -> None:
    text = "a: {b: [{c: x, cc: y}]}\n"
    found = faults_of(tmp_path, text, lambda table: [part.text("c") for part in table.table("a").tables("b")])
    assert found == ["folder/file.yaml:1 a.b[0].cc: is not a key we know"]


def test_a_table_asked_for_twice_is_the_same_table(tmp_path: Path) -> None:
    def read(table: MappingTable) -> None:
        assert table.table("a") is table.table("a")
        table.table("a").text("b")
        table.table("a").text("c")

    assert faults_of(tmp_path, "a: {b: x, c: y}\n", read) == []


FILES = {  # what stands in the file, the fault
    "nothing": ("", ":1: is empty"),
    "a list": ("- a\n", ":1: must be a table (key: value)"),
    "an alias": ("a: &x b\nc: *x\n", ":1: has an anchor (&): write the lines out, or use a named list"),
    "a foreign tag": ("a: !!python/object b\n", ":1: has a tag (!) we do not know"),
    "a key twice": ("a: b\na: c\n", ":2 a: appears twice"),
    "a key that is a number": ("a: b\n1: c\n", ":2: has a key that is not text (quote it)"),
    "two documents": ("a: b\n---\na: c\n", ":2: is not YAML: but found another document"),
    "a NUL": ("a: b\x00\n", ":1: is not YAML: it holds a character that YAML does not allow"),
    "another encoding": ("a: Grüße\n".encode("latin-1"), ":1: is not UTF-8"),
    "a deep nest": ("[" * 600, ":1: is nested too deeply"),
    "too much": (b"a: " + b"b" * MAX_FILE_BYTES, f":1: is larger than {MAX_FILE_BYTES} bytes"),
    "an open bracket": ("a: [\n", ":2: is not YAML: expected the node content, but found '<stream end>'"),
}


@pytest.mark.parametrize(("text", "fault"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_plain_mapping_is_refused(tmp_path: Path, text: str | bytes, fault: str) -> None:
    assert f"folder/file.yaml{fault}" in faults_of(tmp_path, text)


def test_a_small_file_of_aliases_does_not_grow(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    assert len(faults_of(tmp_path, "\n".join(lines))) == 60


def test_a_file_that_is_not_there_is_a_fault_and_no_traceback(tmp_path: Path) -> None:
    faults: list[Fault] = []
    assert read_mapping(tmp_path / "none.yaml", lambda table: table.text("a"), faults) is None
    assert [str(fault) for fault in faults] == [f"{tmp_path.name}/none.yaml:1: cannot be read"]


def test_loading_raises_all_faults_for_who_keeps_the_mappings(tmp_path: Path) -> None:
    with pytest.raises(MappingFaults) as raised:
        load_mapping(written(tmp_path, "b: c\n"), lambda table: table.text("a"))
    assert isinstance(raised.value, NotUnderstood)
    assert len(raised.value.faults) == 2
