"""Sets letters and reads the PDF back as plain text, page by page, as poppler sees it."""

import re
import shutil
import subprocess
from pathlib import Path

from fhir_pmp.letters.rendering.typesetting import Typesetter
from tests.backing_services.dependency_missing import DependencyMissing
from tests.spec.letters.golden_cases import GoldenLetter


def find_poppler() -> str:
    """The program that reads a PDF's text. Raises PartMissing."""
    found = shutil.which("pdftotext")
    if found is None:
        raise DependencyMissing("pdftotext", "On Debian: apt-get install poppler-utils")
    return found


def typeset_letter(typesetter: Typesetter, golden: GoldenLetter) -> bytes:
    """The golden letter as PDF."""
    return typesetter.typeset(golden.content(), golden.facts.made_at)


def text_of(pdf: bytes, folder: Path) -> list[str]:
    """The text of each page, every run of white space one space: a sentence may break anywhere."""
    file = folder / "letter.pdf"
    file.write_bytes(pdf)
    # In the order of the content, which is that of reading; poppler's own guess mixes neighbouring columns.
    command = [find_poppler(), "-raw", "-enc", "UTF-8", str(file), "-"]
    text = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()
    return [re.sub(r"\s+", " ", page).strip() for page in text.split("\f")][:-1]
