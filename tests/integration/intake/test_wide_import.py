"""The wide export is handed in: what is taken, what is refused and where, and the refused rows given again."""

import csv
import io
import stat

import pytest

from fhir_pmp.identifiers import SourceId
from fhir_pmp.intake.csv_import.csv_rows import FileBroken, FileNotReadable
from fhir_pmp.pathway.facts import EpisodeState
from tests.integration.intake.intake_harness import IntakeHarness, wide_csv, wide_row

PHQ9 = "1111111110"
GAD7 = "1111111"


def test_a_row_brings_its_person_and_every_instrument_that_is_dated(harness: IntakeHarness) -> None:
    imported = harness.import_file(
        wide_csv(
            wide_row(event="screening_arm_1", forms={"phq9": PHQ9, "gad7": GAD7}),
            wide_row(event="start_arm_1", forms={"phq9": PHQ9}),
            wide_row("PMP-2", event="screening_arm_1"),
        )
    )
    assert imported.counts == (3, 0, 0, 0)
    assert list(imported.report.enrolments.values()) == [2, 0, 0, 0]
    assert (imported.refusals, imported.refused.exists()) == ([], False)
    episode = harness.episode("PMP-1")
    assert (episode.state, episode.share_with_ehr) == (EpisodeState.COMMENCED, True)
    with harness.store.read() as uow:
        found = [(r.response.instrument, r.response.timepoint) for r in uow.responses.of_episode(episode.id)]
    assert sorted(found) == [("gad7", "screening"), ("phq9", "screening"), ("phq9", "start")]


@pytest.mark.promise("P6")
def test_the_same_file_again_is_only_repeated(harness: IntakeHarness) -> None:
    file = wide_csv(wide_row(event="screening_arm_1", forms={"phq9": PHQ9}), wide_row(forms={"phq9": PHQ9}))
    harness.import_file(file)
    before = harness.versions()
    again = harness.import_file(file)
    assert again.counts == (0, 2, 0, 0)
    assert list(again.report.enrolments.values()) == [0, 1, 0, 0]
    assert harness.versions() == before


def test_everything_the_platform_knows_of_a_person_arrives(harness: IntakeHarness) -> None:
    harness.import_file(
        wide_csv(
            wide_row(
                sex="",
                share_with_ehr="",
                medicare_number="",
                lesson_1_on="2026-03-02",
                lesson_2_on="2026-03-09",
                ended_on="2026-04-01",
                ended_how="stopped",
                stop_reason="No time",
                gp_practice_id="P9",
                gp_practice_name="Ninth Practice",
                gp_provider_id="G9",
                gp_name="Dr Gee",
            )
        )
    )
    episode = harness.episode("PMP-1")
    person = harness.person(episode)
    assert (person.sex, person.identifiers, episode.share_with_ehr) == ("unknown", (), False)
    assert (episode.state, episode.end_reason) == (EpisodeState.STOPPED, "No time")
    assert [lesson.number for lesson in episode.lessons] == [1, 2]
    assert episode.practice is not None
    assert (episode.practice.organization_name, episode.practice.practitioner_name) == (
        "Ninth Practice",
        "Dr Gee",
    )


WRONG_CELLS: dict[str, tuple[dict[str, str], str]] = {
    "not entered": ({"phq9_3": "-2"}, "phq9_3"),
    "not applicable": ({"phq9_3": "-4"}, "phq9_3"),
    "other": ({"phq9_3": "-5"}, "phq9_3"),
    "missing": ({"phq9_3": "99"}, "phq9_3"),
    "two digits for one": ({"phq9_3": "03"}, "phq9_3"),
    "a decimal": ({"phq9_3": "2.0"}, "phq9_3"),
    "beyond the last option": ({"phq9_3": "4"}, "phq9_3"),
    "a word": ({"phq9_3": "Smith"}, "phq9_3"),
    "a blank beside it": ({"phq9_3": " 1"}, "phq9_3"),
    "no date": ({"phq9_date": ""}, "phq9_date"),
    "a date as people write it": ({"phq9_date": "02/03/2026"}, "phq9_date"),
    "a day that is none": ({"phq9_date": "2026-02-30"}, "phq9_date"),
    "a time that this source does not know": ({"phq9_date": "2026-03-02T10:00:00+11:00"}, "phq9_date"),
    "outside its window": ({"phq9_date": "2026-05-01"}, "phq9_date"),
    "to come": ({"phq9_date": "2027-03-02"}, "phq9_date"),
    "neither amended nor not": ({"phq9_amends": "yes"}, "phq9_amends"),
}


@pytest.mark.parametrize(("cells", "column"), WRONG_CELLS.values(), ids=WRONG_CELLS)
def test_a_wrong_cell_costs_its_response_and_the_row_is_kept_for_correction(
    harness: IntakeHarness, cells: dict[str, str], column: str
) -> None:
    wrong = wide_row(forms={"phq9": PHQ9, "gad7": GAD7}, **cells)
    good = wide_row("PMP-2", forms={"phq9": PHQ9})
    imported = harness.import_file(wide_csv(wrong, good))
    assert imported.counts == (2, 0, 0, 1)
    assert [(line, where) for line, where, _ in imported.refusal_lines] == [(2, column)]
    assert "Smith" not in imported.refusal_lines[0][2]
    (kept,) = csv.DictReader(io.StringIO(imported.refused.read_text(), newline=""))
    assert kept.pop("refused_because").startswith(f"{column}: ")
    assert kept == wrong
    # Corrected and given again, with the column that says why: the other response of the row is a repeat.
    corrected = wide_row(forms={"phq9": PHQ9, "gad7": GAD7})
    again = harness.import_file(_with_reason(imported.refused.read_text(), corrected))
    assert again.counts == (1, 1, 0, 0)


def _with_reason(refused: str, corrected: dict[str, str]) -> str:
    reader = csv.DictReader(io.StringIO(refused, newline=""))
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, reader.fieldnames or [])
    writer.writeheader()
    for row in reader:
        writer.writerow({**row, **corrected})
    return file.getvalue()


WRONG_PERSONS: dict[str, tuple[dict[str, str], str]] = {
    "no record id": ({"record_id": ""}, "record_id"),
    "no name": ({"family_name": ""}, "family_name"),
    "a name with a line end": ({"family_name": "Exam\nple"}, "family_name"),
    "a name beyond all names": ({"family_name": "x" * 201}, "family_name"),
    "no birth date": ({"birth_date": ""}, "birth_date"),
    "a birth date as people write it": ({"birth_date": "02/01/1970"}, "birth_date"),
    "a word for consent": ({"share_with_ehr": "yes"}, "share_with_ehr"),
    "a word for sex": ({"sex": "f"}, "sex"),
    "an ending we do not know": ({"ended_how": "moved away"}, "ended_how"),
    "a lesson before the start": ({"lesson_2_on": "2026-01-01"}, "lesson_2_on"),
    "a day to come": ({"started_on": "2027-01-01"}, "started_on"),
    "stopped before it began": ({"started_on": "", "ended_how": "stopped"}, "ended_how"),
    "a referral number of nobody": ({"referral_number": "R-1"}, "referral_number"),
}


@pytest.mark.parametrize(("cells", "column"), WRONG_PERSONS.values(), ids=WRONG_PERSONS)
def test_a_wrong_person_costs_the_rows_of_that_person(
    harness: IntakeHarness, cells: dict[str, str], column: str
) -> None:
    # The screening, so that a person without a start has something to say as well.
    wrong = wide_row(event="screening_arm_1", forms={"phq9": PHQ9}, **cells)
    good = wide_row("PMP-2", forms={"phq9": PHQ9})
    imported = harness.import_file(wide_csv(wrong, good))
    assert imported.counts == (1, 0, 0, 1)
    assert (2, column) in [(line, where) for line, where, _ in imported.refusal_lines]
    with harness.store.read() as uow:
        assert uow.people.find(harness.clinic.ids.person_id(SourceId("redcap-wide"), "PMP-1")) is None


def test_an_unknown_timepoint_costs_what_the_row_holds_of_it_and_not_the_person(
    harness: IntakeHarness,
) -> None:
    imported = harness.import_file(
        wide_csv(wide_row(event="weekly_arm_1", forms={"phq9": PHQ9, "gad7": GAD7}))
    )
    assert imported.counts == (0, 0, 0, 2)
    assert [(line, where) for line, where, _ in imported.refusal_lines] == [(2, "redcap_event_name")]
    assert harness.episode("PMP-1").enrolment == "PMP-1"


def test_an_instrument_that_the_programme_does_not_ask_then_is_refused(harness: IntakeHarness) -> None:
    imported = harness.import_file(wide_csv(wide_row(forms={"pgic": "1"})))
    assert [(line, where) for line, where, _ in imported.refusal_lines] == [(2, "pgic_date")]


def test_other_answers_are_refused_without_the_mark_and_amend_with_it(harness: IntakeHarness) -> None:
    harness.import_file(wide_csv(wide_row(forms={"phq9": PHQ9, "gad7": GAD7})))
    other = "0" + PHQ9[1:]
    refused = harness.import_file(wide_csv(wide_row(forms={"phq9": other, "gad7": GAD7})))
    assert (refused.counts, refused.refusal_lines[0][1]) == ((0, 1, 0, 1), "phq9_date")
    amending = wide_csv(wide_row(forms={"phq9": other, "gad7": GAD7}, phq9_amends="1"))
    assert harness.import_file(amending).counts == (0, 1, 1, 0)
    # Marked, and the same as what stands: a repeat.
    assert harness.import_file(amending).counts == (0, 2, 0, 0)


def test_a_blank_is_a_blank_and_a_dated_form_without_answers_is_received_and_not_scorable(
    harness: IntakeHarness,
) -> None:
    harness.import_file(wide_csv(wide_row(forms={"gad7": "-------", "phq9": "1-11111110"})))
    with harness.store.read() as uow:
        found = {r.response.instrument: r for r in uow.responses.of_episode(harness.episode("PMP-1").id)}
    assert found["gad7"].response.answers == {} and found["gad7"].scores[0].value is None  # type: ignore[index]
    # 8 on 8 of 9 items: 8 x 9 / 8 = 9.
    assert found["phq9"].scores[0].published == "9"  # type: ignore[index]


def test_a_byte_order_mark_is_no_part_of_the_first_column(harness: IntakeHarness) -> None:
    imported = harness.import_file(b"\xef\xbb\xbf" + wide_csv(wide_row(forms={"phq9": PHQ9})).encode())
    assert imported.counts == (1, 0, 0, 0)


BROKEN_ROWS = {
    "not UTF-8": (b"Example PMP-1", b"Ex\xe4mple", "the row is not UTF-8"),
    "a NUL": (b"Example PMP-1", b"Exam\x00ple", "the row holds a NUL character"),
    "a cell too many": (b"Example PMP-1", b"Example,PMP-1", "the row has "),
    "a cell too few": (b"Ann,Example PMP-1", b"Ann Example", "the row has "),
}


@pytest.mark.parametrize(("found", "put", "reason"), BROKEN_ROWS.values(), ids=BROKEN_ROWS)
def test_a_broken_row_costs_that_row_and_is_kept_byte_for_byte(
    harness: IntakeHarness, found: bytes, put: bytes, reason: str
) -> None:
    file = wide_csv(wide_row(forms={"phq9": PHQ9}), wide_row("PMP-2", forms={"phq9": PHQ9})).encode()
    imported = harness.import_file(file.replace(found, put))
    assert imported.counts == (1, 0, 0, 0)
    ((line, column, why),) = imported.refusal_lines
    assert (line, column) == (2, "") and why.startswith(reason)
    assert put in imported.refused.read_bytes()
    # Given again as it is, it is refused again.
    assert harness.import_file(imported.refused.read_bytes(), name="again").report.refused_rows == 1
    mended = imported.refused.read_bytes().replace(put, found)
    assert harness.import_file(mended, name="mended").counts == (1, 0, 0, 0)


def test_a_quote_that_is_never_closed_ends_the_import_and_what_stood_before_it_is_taken(
    harness: IntakeHarness,
) -> None:
    rows = [wide_row(f"PMP-{n}", forms={"phq9": PHQ9}) for n in (1, 2, 3)]
    file = wide_csv(*rows).replace("Example PMP-3", '"Example PMP-3')
    with pytest.raises(FileBroken) as broken:
        harness.import_file(file)
    assert [fault.field for fault in broken.value.faults] == ["line 4"]
    assert "Example" not in str(broken.value)
    with harness.store.read() as uow:
        assert len(uow.episodes.list_all()) == 2
    assert harness.import_file(wide_csv(*rows)).counts == (1, 2, 0, 0)


HEADERS = {
    "an empty file": (b"", "line 1"),
    "a column we do not know": (wide_csv().replace("gad7_1", "gad7_one").encode(), "column gad7_one"),
    "a column twice": (wide_csv().replace("gad7_1,", "gad7_2,").encode(), "column gad7_2"),
    "a person's column left out": (
        wide_csv().replace("share_with_ehr,", "").encode(),
        "column share_with_ehr",
    ),
    "an item left out": (wide_csv().replace("gad7_1,", "").encode(), "column gad7_…"),
    "no header": ("\n".join(wide_csv(wide_row()).splitlines()[1:]).encode(), "line 1"),
    "UTF-16": (wide_csv(wide_row()).encode("utf-16"), "line 1"),
}


@pytest.mark.parametrize(("file", "field"), HEADERS.values(), ids=HEADERS)
def test_a_file_that_is_not_this_sources_is_refused_whole_and_nothing_of_it_is_repeated(
    harness: IntakeHarness, file: bytes, field: str
) -> None:
    with pytest.raises(FileNotReadable) as refused:
        harness.import_file(file)
    assert field in [fault.field for fault in refused.value.faults]
    assert "Example" not in str(refused.value)
    with harness.store.read() as uow:
        assert uow.episodes.list_all() == []


def test_a_row_without_an_end_does_not_fill_the_memory(harness: IntakeHarness) -> None:
    endless = wide_csv(wide_row(forms={"phq9": PHQ9})) + "PMP-2," + "x," * 1_000_000
    with pytest.raises(FileBroken) as broken:
        harness.import_file(endless)
    assert [fault.field for fault in broken.value.faults] == ["line 3"]
    assert harness.episode("PMP-1").enrolment == "PMP-1"


def test_the_refused_rows_hold_peoples_answers_and_are_the_owners_alone(harness: IntakeHarness) -> None:
    imported = harness.import_file(wide_csv(wide_row(forms={"phq9": "9" * 10})))
    assert stat.S_IMODE(imported.refused.stat().st_mode) == 0o600
    # The next run without a refusal leaves none of them behind.
    harness.import_file(wide_csv(wide_row(forms={"phq9": PHQ9})))
    assert not imported.refused.exists()


def test_a_person_waiting_for_a_referral_is_refused_row_by_row_and_taken_from_the_same_file_later(
    harness: IntakeHarness,
) -> None:
    harness.refer()
    referral = harness.referral()
    rows = [
        wide_row(event=event, forms={"phq9": PHQ9}, referral_number=referral.number, medicare_number="")
        for event in ("screening_arm_1", "start_arm_1")
    ]
    waits = harness.import_file(wide_csv(*rows))
    assert waits.counts == (0, 0, 0, 2)
    assert (2, "referral_number") in [(line, where) for line, where, _ in waits.refusal_lines]
    assert [item.kind for item in harness.open_work_items()] == ["enrolment_waits"]
    harness.accept(referral)
    assert harness.import_file(waits.refused.read_text(), name="again").counts == (2, 0, 0, 0)
    assert harness.episode("PMP-1").id == referral.episode
