"""programme.yaml as shipped loads; what is wrong in one is named with its line, all of it in one run."""

from pathlib import Path

import pytest

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.identifiers import Identifier
from fhir_pmp.instruments.definition import Instruments, RuleStatus
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.pathway.programme.definition import CommencedBy, TimepointRole
from fhir_pmp.pathway.programme.loading import check_programme, load_programme

MAPPINGS = Path(__file__).parents[3] / "mappings"


@pytest.fixture(scope="module")
def instruments() -> Instruments:
    return load_instruments(MAPPINGS / "instruments")


def shipped() -> str:
    return (MAPPINGS / "programme.yaml").read_text(encoding="utf-8")


def faults(text: str, instruments: Instruments, folder: Path) -> list[str]:
    path = folder / "programme.yaml"
    path.write_text(text, encoding="utf-8")
    return [str(fault).partition("programme.yaml:")[2] for fault in check_programme(path, instruments)]


def test_the_shipped_programme_has_its_windows_and_due_days(instruments: Instruments) -> None:
    programme = load_programme(MAPPINGS / "programme.yaml", instruments)
    points = [(t.id, t.role, t.opens_day, t.closes_day, t.due_day) for t in programme.timepoints]
    assert points == [
        ("screening", TimepointRole.SCREENING, -28, 0, None),
        ("start", TimepointRole.START, -7, 14, 0),
        ("post", TimepointRole.POST, 49, 84, 56),
        ("follow_up", TimepointRole.FOLLOW_UP, 133, 189, 147),
    ]
    assert programme.baseline.within_days == 28
    assert len(programme.lessons) == 5
    assert programme.provider.identifier == Identifier(
        "https://example.org/identifiers/provider", "example-pain-programme"
    )


def test_the_shipped_programme_says_which_instrument_is_due_when(instruments: Instruments) -> None:
    programme = load_programme(MAPPINGS / "programme.yaml", instruments)
    course = ("phq9", "gad7", "pcs", "pseq", "bpi_sf")
    assert {t.id: t.instruments for t in programme.timepoints} == {
        "screening": ("phq9", "gad7", "k10"),
        "start": course,
        "post": (*course, "satisfaction", "pgic"),
        "follow_up": course,
    }
    assert all(set(t.optional) >= {"peg", "dass21", "tsk11"} for t in programme.timepoints)
    assert set(programme.instruments) == set(instruments)


def test_what_no_source_settles_is_marked(instruments: Instruments) -> None:
    programme = load_programme(MAPPINGS / "programme.yaml", instruments)
    assert (programme.commenced.by, programme.commenced.rule.status) == (
        CommencedBy.START_DATE,
        RuleStatus.POLICY,
    )
    assert (programme.completed_all.lessons, programme.completed_majority.lessons) == (5, 4)
    assert programme.completed_majority.rule.status is RuleStatus.UNCONFIRMED
    assert programme.provider.crisis.rule.status is RuleStatus.POLICY
    assert "000" in programme.provider.crisis.text
    assert "13 11 14" in programme.provider.crisis.text


# (what stands in the shipped file, what stands there instead, what is said of it)
FAULTS = {
    "an instrument nobody knows": (
        "instruments: [phq9, gad7, k10]",
        "instruments: [phq9, gad7, k11]",
        "timepoints[0].instruments: k11 is not an instrument we know",
    ),
    "due and optional at once": (
        "optional: [k10, peg, dass21, tsk11]",
        "optional: [phq9, peg, dass21, tsk11]",
        "timepoints[1].optional: names an instrument that is due as well",
    ),
    "a window that ends before it begins": (
        "{from: 49, to: 84}",
        "{from: 84, to: 49}",
        "timepoints[2].window.to: must not lie before from",
    ),
    "a due day outside its window": (
        "due_day: 56",
        "due_day: 85",
        "timepoints[2].due_day: must lie in the window",
    ),
    "a start without a due day": ("due_day: 0", "due_day: null", "timepoints[1].due_day: must be a day"),
    "a post window before the start": (
        "{from: 49, to: 84}",
        "{from: 0, to: 84}",
        "timepoints[2].window.from: must lie after the start",
    ),
    "no post": ("role: post", "role: follow_up", "timepoints: must hold exactly one whose role is post"),
    "two starts": ("role: screening", "role: start", "due_day: must be a day"),
    "two of one id": ("id: post", "id: start", "timepoints: holds two of the same id"),
    "an id with a blank": ("id: follow_up", "id: follow up", "timepoints[3].id: must be a lower-case word"),
    "out of order": ("{from: -28, to: 0}", "{from: -1, to: 0}", "timepoints: must be in the order"),
    "a measure without a baseline": (
        "instruments: [phq9, gad7, pcs, pseq, bpi_sf]\n    optional: [k10, peg, dass21, tsk11]\n  - id: post",
        "instruments: [phq9, gad7, pcs, bpi_sf]\n    optional: [k10, peg, dass21, tsk11]\n  - id: post",
        "timepoints[2].instruments: pseq is due at no earlier point, so it has no baseline",
    ),
    "a negative reach of the baseline": (
        "within_days: 28",
        "within_days: -1",
        "within_days: must be 0 or more",
    ),
    "a majority above the whole": (
        "completed_majority:\n  lessons: 4",
        "completed_majority:\n  lessons: 6",
        "completed_majority.lessons: must be from 1 to 5",
    ),
    "a whole that is not all": (
        "completed_all:\n  lessons: 5",
        "completed_all:\n  lessons: 4",
        "completed_all.lessons: must be 5",
    ),
    "commenced by too many lessons": (
        "by: start_date  # or lessons, with how many",
        "by: lessons\n  lessons: 6",
        "commenced.lessons: must be from 1 to 5",
    ),
    "a region without its crisis text": ("region: au", "region: nz", "provider.region: names no region"),
    "an unconfirmed crisis text": (
        "rule_id: programme.crisis.au\n      version: 1\n      status: policy",
        "rule_id: programme.crisis.au\n      version: 1\n      status: unconfirmed",
        "provider.crisis: the text of au is in every letter, so it must not be unconfirmed",
    ),
    "an identifier system that is no URI": (
        '"https://example.org/identifiers/provider"',
        "provider",
        "provider.identifier.system: must be a URI",
    ),
    "a country in words": (
        "country: AU",
        "country: Australia",
        "provider.address.country: must be two capital",
    ),
    "a misspelt key": ("within_days", "within_day", "baseline.within_day: is not a key we know"),
    "no email": ("  email: pain-programme@example.org\n", "", "provider.email: is missing"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_named_with_its_line_and_field(
    case: str, instruments: Instruments, tmp_path: Path
) -> None:
    stands, instead, message = FAULTS[case]
    assert stands in shipped()
    found = faults(shipped().replace(stands, instead, 1), instruments, tmp_path)
    assert any(message in fault for fault in found), found
    assert all(fault.partition(" ")[0].isdigit() for fault in found), found


def test_no_lesson_is_a_fault(instruments: Instruments, tmp_path: Path) -> None:
    before, _, rest = shipped().partition("lessons:\n")
    without = before + "lessons: []\n\n" + rest[rest.index("timepoints:") :]
    found = faults(without, instruments, tmp_path)
    assert any("lessons: names no lesson" in fault for fault in found)


def test_all_faults_are_told_in_one_run(instruments: Instruments, tmp_path: Path) -> None:
    wrong = shipped().replace("due_day: 56", "due_day: 85").replace("country: AU", "country: au")
    found = faults(wrong.replace("within_days: 28", "within_days: x"), instruments, tmp_path)
    assert len(found) == 3, found


def test_a_wrong_programme_is_not_loaded(instruments: Instruments, tmp_path: Path) -> None:
    path = tmp_path / "programme.yaml"
    path.write_text(shipped().replace("due_day: 56", "due_day: 85"), encoding="utf-8")
    with pytest.raises(NotUnderstood, match="due_day: must lie in the window"):
        load_programme(path, instruments)


def test_the_shipped_programme_has_no_fault(instruments: Instruments, tmp_path: Path) -> None:
    assert faults(shipped(), instruments, tmp_path) == []


def test_commenced_may_be_by_lessons(instruments: Instruments, tmp_path: Path) -> None:
    path = tmp_path / "programme.yaml"
    path.write_text(
        shipped().replace("by: start_date  # or lessons, with how many", "by: lessons\n  lessons: 2"),
        encoding="utf-8",
    )
    commenced = load_programme(path, instruments).commenced
    assert (commenced.by, commenced.lessons) == (CommencedBy.LESSONS, 2)
