"""What the strict reader refuses: everything that is not plainly JSON and plainly FHIR, by its path, without its value."""

import contextlib
from collections.abc import Callable, Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.fhir.serialization.json_reader import BodyTooLarge, NotStrictJson, read_fhir_json, read_json
from fhir_pmp.fhir.serialization.json_writer import write_canonical

CANARY = "CANARY"

REFUSED = {
    # encoding
    "a byte order mark": (b'\xef\xbb\xbf{"a":1}', "body"),
    "latin-1": ('{"a":"é"}'.encode("latin-1"), "body"),
    "utf-16": ('{"a":"b"}'.encode("utf-16"), "body"),
    "an encoded lone surrogate": (b'{"a":"\xed\xa0\x80"}', "body"),
    "an escaped lone surrogate": (b'{"a":"x\\ud800y"}', "a"),
    "an escaped lone surrogate in a name": (b'{"\\ud800":"y"}', "?"),
    # characters
    "an escaped NUL": (b'{"a":{"b":"x\\u0000"}}', "a.b"),
    "an escaped control character": (b'{"a":["x","\\u001f"]}', "a[1]"),
    "a control character as it is": (b'{"a":"\x01"}', "body"),
    # structure
    "duplicate names": (b'{"a":{"b":1,"b":2}}', "a"),
    "duplicate names, deep in an array": (b'{"a":[1,{"b":[{"c":1,"c":1}]}]}', "a[1].b[0]"),
    "no object": (b"[1]", "body"),
    "two values": (b'{"a":1}{"a":1}', "body"),
    "nothing": (b"", "body"),
    "a trailing comma": (b'{"a":1,}', "body"),
    "a comment": (b'{"a":1/*x*/}', "body"),
    "single quotation marks": (b"{'a':1}", "body"),
    "a name without quotation marks": (b"{a:1}", "body"),
    "an open object": (b'{"a":1', "body"),
    # numbers
    "NaN": (b'{"a":NaN}', "a"),
    "Infinity": (b'{"a":[Infinity]}', "a[0]"),
    "-Infinity": (b'{"a":-Infinity}', "a"),
    "20 digits": (b'{"a":12345678901234567890}', "a"),
    "1e400": (b'{"a":1e400}', "a"),
    "1e19": (b'{"a":1e19}', "a"),
    "finer than 10^-18": (b'{"a":0.0000000000000000001}', "a"),
    "41 characters of a decimal": (b'{"a":1.' + b"1" * 39 + b"}", "a"),
    "a leading zero": (b'{"a":01}', "body"),
    "a leading plus": (b'{"a":+1}', "body"),
    "a bare point": (b'{"a":.5}', "body"),
    "hexadecimal": (b'{"a":0x1}', "body"),
    # FHIR's own
    "an empty string": (b'{"a":{"b":""}}', "a.b"),
    "an empty object": (b'{"a":{}}', "a"),
    "an empty array": (b'{"a":[]}', "a"),
    "null": (b'{"a":null}', "a"),
    "null that holds no place": (b'{"a":["x",null]}', "a[1]"),
    "null on both sides": (b'{"a":["x",null],"_a":[{"id":"1"},null]}', "a[1]"),
    "null in an array of objects": (b'{"a":[{"b":1},null]}', "a[1]"),
    "fhir_comments": (b'{"a":{"fhir_comments":["x"]}}', "a.fhir_comments"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_its_path(case: str) -> None:
    body, path = REFUSED[case]
    with pytest.raises(NotStrictJson) as refused:
        read_fhir_json(body, max_bytes=1000)
    assert path in [fault.field for fault in refused.value.faults]


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"CANARY","name":"CANARY"}',
        b'{"name":"CANARY\\u0000"}',
        b'{"name":"CANARY" "x"}',
        b'{"CANARY is ill":null}',
        b'{"CANARY 1":1,"CANARY 1":2}',
    ],
)
def test_no_value_of_the_body_is_told(body: bytes) -> None:
    with pytest.raises(NotStrictJson) as refused:
        read_fhir_json(body, max_bytes=1000)
    assert CANARY not in str(refused.value)


def test_every_fault_is_told_in_one_go_but_no_more_than_twenty() -> None:
    with pytest.raises(NotStrictJson) as refused:
        read_fhir_json(b'{"a":null,"b":"","c":{}}', max_bytes=1000)
    assert [fault.field for fault in refused.value.faults] == ["a", "b", "c"]
    many = b'{"a":[' + b",".join([b'""'] * 100) + b"]}"
    with pytest.raises(NotStrictJson) as refused:
        read_fhir_json(many, max_bytes=1000)
    assert len(refused.value.faults) == 20


MANY = 200_000
"""Members or items of a body that looks for work that grows faster than the body: such work would take hours."""


def many_members(names: Iterable[str]) -> bytes:
    return b"{" + b",".join(b'"%b":1' % name.encode() for name in names) + b"}"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("read", [read_json, read_fhir_json])
@pytest.mark.parametrize(
    ("names", "twice"),
    [
        ([*(f"k{n}" for n in range(MANY)), f"k{MANY - 1}"], f"k{MANY - 1}"),
        ([*(f"k{n}" for n in range(MANY)), *(f"k{n}" for n in reversed(range(MANY)))], "k0"),
    ],
    ids=["the last member twice", "every member twice"],
)
def test_a_duplicate_name_is_found_in_one_pass(
    read: Callable[..., object], names: list[str], twice: str
) -> None:
    with pytest.raises(NotStrictJson) as refused:
        read(many_members(names), max_bytes=10**7)
    assert [str(fault) for fault in refused.value.faults] == [f"body: has the member {twice} twice"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("read", [read_json, read_fhir_json])
def test_values_behind_a_long_path_are_read_in_one_pass(read: Callable[..., object]) -> None:
    name = b"n" * 63
    head, tail = b'{"%b":' % name * 38, b"}" * 38
    assert read(head + b"[" + b",".join([b'"x"'] * MANY) + b"]" + tail, max_bytes=10**7)
    with pytest.raises(NotStrictJson) as refused:
        read(head + b"[" + b",".join([b"NaN"] * MANY) + b"]" + tail, max_bytes=10**7)
    path = ".".join([name.decode()] * 38)
    assert [fault.field for fault in refused.value.faults] == [f"{path}[{at}]" for at in range(20)]


def test_a_body_over_the_cap_is_refused_before_it_is_looked_at() -> None:
    assert read_fhir_json(b'{"a":1}', max_bytes=7) == {"a": 1}
    with pytest.raises(BodyTooLarge):
        read_fhir_json(b'{"a":1}', max_bytes=6)


def test_nesting_is_counted_before_parsing_and_outside_strings() -> None:
    deepest = b'{"a":' + b"[" * 39 + b"1" + b"]" * 39 + b"}"
    assert read_fhir_json(deepest, max_bytes=1000)
    with pytest.raises(NotStrictJson, match="nested deeper than 40"):
        read_fhir_json(b'{"a":' + b"[" * 40 + b"1" + b"]" * 40 + b"}", max_bytes=1000)
    with pytest.raises(NotStrictJson, match="nested deeper than 64"):
        read_json(b'{"a":' + b"[" * 100_000, max_bytes=200_000)
    assert read_fhir_json(b'{"a":"' + b"[" * 100 + b'\\"' + b"{" * 100 + b'"}', max_bytes=1000)


def test_what_is_right_is_read_with_its_own_digits() -> None:
    body = b'{"a":7.10,"b":-0.0,"c":19,"d":0.010,"e":123456789012345678,"f":1e2,"g":-0,"h":true,"i":"\\t\\r\\n\\u00e9 \\ud83d\\ude00"}'
    read = read_fhir_json(body, max_bytes=1000)
    assert [str(read[name]) for name in "abcdef"] == [
        "7.10",
        "-0.0",
        "19",
        "0.010",
        "123456789012345678",
        "1E+2",
    ]
    assert type(read["c"]) is int
    assert type(read["a"]) is Decimal
    assert read["h"] is True
    assert read["i"] == "\t\r\né 😀"


def test_null_holds_the_place_of_a_primitive_that_has_extensions_only() -> None:
    body = b'{"given":["Ada",null],"_given":[null,{"id":"x"}]}'
    assert read_fhir_json(body, max_bytes=1000)["given"] == ["Ada", None]
    assert write_canonical(read_fhir_json(body, max_bytes=1000)) == body


def test_json_that_is_not_fhir_may_be_empty_and_null() -> None:
    body = b'{"a":null,"b":"","c":[],"d":{}}'
    assert read_json(body, max_bytes=100) == {"a": None, "b": "", "c": [], "d": {}}
    for case in ("NaN", "duplicate names", "an escaped NUL", "20 digits"):
        with pytest.raises(NotStrictJson):
            read_json(REFUSED[case][0], max_bytes=1000)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
NAMES = TEXTS.filter(lambda name: name != "fhir_comments")
NUMBERS = st.integers(-(10**18), 10**18) | st.decimals(
    min_value=-(10**9), max_value=10**9, places=9, allow_nan=False
)
JSON = st.recursive(
    TEXTS | st.booleans() | NUMBERS,
    lambda inner: st.lists(inner, min_size=1) | st.dictionaries(NAMES, inner, min_size=1),
    max_leaves=20,
)


@given(st.dictionaries(NAMES, JSON, min_size=1))
def test_what_is_written_is_read_as_it_was_and_written_again_the_same(value: dict[str, object]) -> None:
    written = write_canonical(value)
    read = read_fhir_json(written, max_bytes=10**6)
    assert read == value
    assert write_canonical(read) == written


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(NotStrictJson, BodyTooLarge):
        read_fhir_json(data, max_bytes=1000)
