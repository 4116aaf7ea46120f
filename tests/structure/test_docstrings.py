"""The first line of a docstring says in one short sentence what the thing does."""

from pathlib import Path

import pytest

from tests.structure.docstring_rules import long_first_lines
from tests.structure.naming_rules import ROOT

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen."
SHORT = LONG.replace(" sixteen", "")
WIDE = "incomprehensibilities " * 5 + "."


def test_the_first_line_of_each_docstring_is_short() -> None:
    offenders = long_first_lines(ROOT)
    assert offenders == [], "\n".join([f"{len(offenders)} docstrings to shorten:", *offenders])


# The rule can fail: tried on made-up folders.


def _offenders(root: Path, folder: str, code: str) -> list[str]:
    (root / folder).mkdir()
    (root / folder / "module.py").write_text(code)
    return long_first_lines(root)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (SHORT, None),
        (f"{SHORT}\n\n    {LONG} {LONG}", None),
        (LONG, "16 words"),
        (WIDE, "111 characters, 6 words"),
        ("It begins here\n    and goes on.", "the first sentence goes on in the second line"),
    ],
)
@pytest.mark.parametrize(
    "code",
    [
        '"""{}"""',
        'class A:\n    """{}"""',
        'def f():\n    """{}"""',
        'async def f():\n    """{}"""',
        'class A:\n    def f(self):\n        """{}"""',
        'class A:\n    def __init__(self):\n        """{}"""',
        'if True:\n    def f():\n        """{}"""',
    ],
)
@pytest.mark.parametrize("folder", ["fhir_pmp", "demo", "bench"])
def test_a_long_first_line_is_seen(
    folder: str, code: str, text: str, fault: str | None, tmp_path: Path
) -> None:
    offenders = _offenders(tmp_path, folder, code.replace("{}", text))
    assert [one.rpartition(": ")[2] for one in offenders] == ([fault] if fault else [])
    assert all(one.startswith(f"{folder}/module.py:") for one in offenders)


@pytest.mark.parametrize(
    "code",
    ["def _f(): '{}'", "class _A: '{}'", "class _A:\n    def f(self): '{}'", "def f():\n  def g(): '{}'"],
)
def test_what_is_private_is_left_out_of_the_program_and_may_hold_more_words_elsewhere(
    code: str, tmp_path: Path
) -> None:
    assert _offenders(tmp_path, "fhir_pmp", code.replace("{}", WIDE)) == []
    assert _offenders(tmp_path, "demo", code.replace("{}", LONG)) == []
    assert len(_offenders(tmp_path, "bench", code.replace("{}", WIDE))) == 1


def test_the_message_of_an_error_class_is_left_out(tmp_path: Path) -> None:
    code = f'class A(FhirPmpError): "{LONG}"\nclass B(A): "{LONG}"\nclass C(Exception): "{LONG}"\n'
    assert _offenders(tmp_path, "fhir_pmp", code) == ["fhir_pmp/module.py:3: C: 16 words"]
