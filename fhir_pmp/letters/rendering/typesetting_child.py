"""Typesets letters in a child process: reads requests from its parent and answers with PDFs.

Each request is a length (8 bytes, big-endian) and JSON: `folder` (the layout), `letter` (JSON text) and `timestamp`
(seconds). Each answer is one byte (`P` a PDF follows, `E` an error message), a length and the bytes.
"""

import json
import re
import sys
from typing import Any, BinaryIO

import typst

STANDARDS: list[Any] = ["ua-1", "a-2a"]
LAYOUT = "letter.typ"
STAND_IN = "\u25a1"  # an empty box, which our fonts hold
MAX_STAND_INS = 200
_MISSING_GLYPH = re.compile('the text `(".*?")` could not be displayed', re.DOTALL)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers requests until the parent closes the pipe."""
    compilers: dict[str, typst.Compiler] = {}
    while len(head := requests.read(8)) == 8:
        request = json.loads(requests.read(int.from_bytes(head)))
        kind, body = _answer(compilers, request)
        answers.write(kind + len(body).to_bytes(8) + body)
        answers.flush()


def _answer(compilers: dict[str, typst.Compiler], request: dict[str, Any]) -> tuple[bytes, bytes]:
    folder = request["folder"]
    try:
        if folder not in compilers:
            # Our own fonts only: the same letter has the same bytes on every machine.
            fonts = [f"{folder}/fonts"]
            compilers[folder] = typst.Compiler(
                f"{folder}/{LAYOUT}", root=folder, font_paths=fonts, ignore_system_fonts=True
            )
        return b"P", _compile_pdf(compilers[folder], request["letter"], request["timestamp"])
    except typst.TypstError as error:
        # The first words describe the layout; quoted text could be personal data.
        return b"E", error.message.partition("`")[0].encode()


def _compile_pdf(compiler: typst.Compiler, letter: str, timestamp: int) -> bytes:
    """Returns the PDF. A character that no font has becomes an empty box, which the layout explains."""
    for _ in range(MAX_STAND_INS):
        inputs = {"letter": letter, "stand_in": STAND_IN if STAND_IN in letter else ""}
        try:
            pdf = compiler.compile(
                format="pdf", sys_inputs=inputs, pdf_standards=STANDARDS, timestamp=timestamp
            )
        except typst.TypstError as error:
            missing = _MISSING_GLYPH.search(error.message)
            if missing is None:
                raise
            letter = _replace_characters(letter, missing[1])
        else:
            return pdf if isinstance(pdf, bytes) else b""
    raise typst.TypstError("too many characters that no font holds", "")


def _replace_characters(letter: str, quoted: str) -> str:
    """Replaces each character that the error message quotes, except JSON's own."""
    found = set(quoted[1:-1]) - set(map(chr, range(128)))
    if not found:
        raise typst.TypstError("a character that no font holds could not be told", "")
    return letter.translate({ord(character): STAND_IN for character in found})


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
