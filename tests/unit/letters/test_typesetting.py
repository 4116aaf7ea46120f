"""What people wrote stays text, a layout that never ends is stopped, and no letter stops the next one."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fhir_pmp.letters.rendering.typesetting import LetterNotTypeset, Typesetter
from fhir_pmp.letters.text.letter_content import LetterContent, Paragraph
from fhir_pmp.letters.text.letter_facts import LetterFields
from fhir_pmp.letters.text.letter_writer import write_letter
from tests.conftest import require_part
from tests.spec.letters.golden_cases import MAPPINGS, clinic, golden, wording
from tests.spec.letters.pdf_text import find_poppler, text_of

HOSTILE = [
    "#while true {}",
    '#panic() #read("/etc/passwd") #image("../wording.yaml")',
    "*bold* _emph_ $x^2$ `raw` @ref <label> // comment /* more */ \\ #",
    "]#set page(width: 1pt)[",
    "{{ 7*7 }} ${7*7} %s {0} {person.given}",
    "<script>alert(1)</script><link rel=attachment href=file:///etc/passwd>",
    "= Heading\n- item\n+ item",
]


@pytest.fixture(scope="module")
def typesetter() -> Iterator[Typesetter]:
    with Typesetter(MAPPINGS / "letters") as typesetter:
        yield typesetter


@pytest.fixture(scope="module", autouse=True)
def poppler() -> str:
    return require_part(find_poppler)


def letter_with(text: str, name: str = "Maren") -> LetterContent:
    facts = golden("stopped_early").facts
    fields = LetterFields(
        gp_actions=text, safety_actions=text, comment=text, stop_reason=text.replace("\n", " ")
    )
    return write_letter(
        clinic(), wording(), replace(facts, fields=fields, person=replace(facts.person, given=name))
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_clinician_writes_is_printed_as_written(
    text: str, typesetter: Typesetter, tmp_path: Path
) -> None:
    pages = text_of(typesetter.typeset(letter_with(text), golden("stopped_early").facts.made_at), tmp_path)
    for line in text.split("\n"):
        assert line in pages[0]


def test_an_address_in_the_text_is_never_fetched(typesetter: Typesetter, tmp_path: Path) -> None:
    hits: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        text = f'<img src=http://127.0.0.1:{server.server_port}/x> #image("http://127.0.0.1:{server.server_port}/y")'
        pdf = typesetter.typeset(letter_with(text, name=text), golden("stopped_early").facts.made_at)
    finally:
        server.shutdown()
        server.server_close()
    assert hits == []
    assert b"/EmbeddedFile" not in pdf
    assert text in text_of(pdf, tmp_path)[0]


def test_a_character_without_a_shape_becomes_a_box_and_the_letter_says_so(
    typesetter: Typesetter, tmp_path: Path
) -> None:
    pages = text_of(
        typesetter.typeset(letter_with("See 王 soon", name="王小明"), golden("receipt").facts.made_at),
        tmp_path,
    )
    assert "See □ soon" in pages[0]
    assert "About □□□ Fictive" in pages[0]
    assert "Characters that our fonts do not hold are shown as □." in pages[-1]


@pytest.mark.parametrize("name", ["Żółć", "Ђорђе", "Ελένη", "Nguyễn", "Sørine", "O’Brien"])
def test_names_of_europe_and_vietnam_are_printed_whole(
    name: str, typesetter: Typesetter, tmp_path: Path
) -> None:
    pages = text_of(
        typesetter.typeset(letter_with("x", name=name), golden("receipt").facts.made_at), tmp_path
    )
    assert f"About {name} Fictive" in pages[0]
    assert "do not hold" not in pages[-1]


def test_a_control_character_in_a_name_is_shown_and_stops_nothing(
    typesetter: Typesetter, tmp_path: Path
) -> None:
    pages = text_of(
        typesetter.typeset(letter_with("x", name="A\x00B\u202eC"), golden("receipt").facts.made_at), tmp_path
    )
    assert "About A\ufffdB\ufffdC Fictive" in pages[0]


def layout(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "fonts").symlink_to(MAPPINGS / "letters" / "fonts")
    (folder / "letter.typ").write_text(text, encoding="utf-8")
    return folder


def test_a_layout_that_never_ends_is_stopped_and_the_next_letter_is_set(tmp_path: Path) -> None:
    folder = layout(tmp_path / "endless", "#for i in range(1000000) { for j in range(1000000) {} }")
    made_at = golden("receipt").facts.made_at
    with Typesetter(folder, time_limit=1.0) as typesetter:
        with pytest.raises(LetterNotTypeset, match="longer"):
            typesetter.typeset(golden("receipt").content(), made_at)
        (folder / "letter.typ").write_text((MAPPINGS / "letters" / "letter.typ").read_text("utf-8"), "utf-8")
        assert typesetter.typeset(golden("receipt").content(), made_at).startswith(b"%PDF-")


def test_a_layout_cannot_read_outside_its_folder_and_its_refusal_quotes_no_data(tmp_path: Path) -> None:
    folder = layout(
        tmp_path / "curious",
        '#set document(title: "x")\n= x\n#read("/../../../../etc/passwd")\n#panic(sys.inputs.letter)',
    )
    with Typesetter(folder) as typesetter, pytest.raises(LetterNotTypeset) as refused:
        typesetter.typeset(letter_with("a secret of Alma"), golden("receipt").facts.made_at)
    assert "Alma" not in str(refused.value)
    assert "root:" not in str(refused.value)


def test_a_picture_without_words_fails_the_letter(tmp_path: Path) -> None:
    folder = layout(
        tmp_path / "mute",
        '#set document(title: "x")\n= x\n#image(bytes("<svg xmlns=\\"http://www.w3.org/2000/svg\\" viewBox=\\"0 0 1 1\\"/>"), format: "svg")',
    )
    with Typesetter(folder) as typesetter, pytest.raises(LetterNotTypeset):
        typesetter.typeset(golden("receipt").content(), golden("receipt").facts.made_at)


def test_a_killed_child_is_replaced(typesetter: Typesetter) -> None:
    content, made_at = golden("receipt").content(), golden("receipt").facts.made_at
    first = typesetter.typeset(content, made_at)
    child = typesetter._child
    assert child is not None
    child.kill()
    child.wait()
    assert typesetter.typeset(content, made_at) == first


def test_threads_share_one_typesetter(typesetter: Typesetter) -> None:
    cases = ["receipt", "decline", "never_started", "stopped_early"] * 3
    alone = {
        case: typesetter.typeset(golden(case).content(), golden(case).facts.made_at) for case in set(cases)
    }
    found: list[bool] = []

    def set_one(case: str) -> None:
        found.append(typesetter.typeset(golden(case).content(), golden(case).facts.made_at) == alone[case])

    threads = [threading.Thread(target=set_one, args=(case,)) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * len(cases)


def test_blank_lines_of_a_field_are_no_paragraphs() -> None:
    section = next(one for one in letter_with("one\n\n  two  \n").sections if one.id == "comment")
    assert section.blocks == (Paragraph("one"), Paragraph("two"))
