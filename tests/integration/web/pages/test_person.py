"""One person's page: what was answered, what changed in words, what each rule says, what is missing and why."""

import re

import pytest

from fhir_pmp.identifiers import InstrumentId, ResponseId
from fhir_pmp.intake.response.response_withdrawal import withdraw_response
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.letters.letter_harness import moment
from tests.integration.web.pages.clinic_harness import ClinicHarness, FormBrowser
from tests.integration.web.pages.html_reader import table_rows, visible_text
from tests.spec.letters.golden_cases import clinic


def _measure(html: str, anchor: str) -> str:
    """The part of the page about one measure."""
    (found,) = re.findall(
        rf'<article class="pmp-measure" aria-labelledby="{anchor}">.*?</article>', html, re.S
    )
    return str(found)


def test_scores_bands_and_changes_are_told_in_words(harness: ClinicHarness, clinician: FormBrowser) -> None:
    # PHQ-9: start 3+2*6+1+1 = 17 (moderately severe 15-19), end 2+2+6+2 = 12 (moderate 10-14): 5 down, 5/17 = 29.4%.
    harness.finish("Priya", "item9_positive")
    phq9 = _measure(clinician.get(f"/people/{harness.people['Priya']}").text, "phq9-total")
    assert "Start 2 March 2026 17 , moderately severe" in table_rows(phq9)
    assert "End of programme 28 April 2026 12 , moderate" in table_rows(phq9)
    assert "0 to 27, lower is better" in visible_text(f"<main>{phq9}</main>")
    assert any(
        row.startswith("Change Fell by 5 points (29.4%), for the better Counted as: unchanged")
        for row in table_rows(phq9)
    )


def test_every_named_rule_gives_its_own_verdict_although_they_disagree(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    # 17 to 12: below 6 points, at 5 points, above 20%, below 30% (clinical.md 2.4).
    harness.finish("Priya", "item9_positive")
    phq9 = table_rows(_measure(clinician.get(f"/people/{harness.people['Priya']}").text, "phq9-total"))
    verdicts = {row.split(":")[0]: row for row in phq9 if "version" in row}
    assert "Unchanged" in verdicts["NHS Talking Therapies reliable change"]
    assert "(counted)" in verdicts["NHS Talking Therapies reliable change"]
    assert "Improved" in verdicts["COMMENCE trials"]
    assert "Improved" in verdicts["Kounali 2020"]
    assert "Unchanged" in verdicts["Pain Course responder"]


def test_self_efficacy_that_rises_is_for_the_better(harness: ClinicHarness, clinician: FormBrowser) -> None:
    # PSEQ 21 to 29: higher is better.
    harness.finish("Priya", "item9_positive")
    page = clinician.get(f"/people/{harness.people['Priya']}").text
    pseq = visible_text(f"<main>{_measure(page, 'pseq-total')}</main>")
    assert "higher is better" in pseq
    assert "Rose by 8 points (38.1%), for the better" in pseq


def test_no_number_bears_a_bare_minus(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.finish("Sven", "deteriorated")
    page = visible_text(clinician.get(f"/people/{harness.people['Sven']}").text)
    assert "for the worse" in page
    assert re.findall(r"(?<![\w])[-−]\d", page) == []


def test_the_chart_says_its_numbers_in_words(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.finish("Priya", "item9_positive")
    phq9 = _measure(clinician.get(f"/people/{harness.people['Priya']}").text, "phq9-total")
    (alt,) = re.findall(r'role="img" aria-label="([^"]*)"', phq9)
    for part in (
        "from 0 to 27",
        "lower is better",
        "Start: 17",
        "End of programme: 12",
        "due and not received",
    ):
        assert part in alt


def test_the_four_absences_have_their_four_wordings(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.finish("Hanna", "not_scorable")
    page = visible_text(clinician.get(f"/people/{harness.people['Hanna']}").text)
    assert "Received and not scorable (6 of 9 answered)" in page
    assert "Due and not received" in page
    assert "Not offered" in page  # K10 at the end of the programme
    harness.clock.now = moment("2026-05-20", 10)
    assert "Not yet due (27 July 2026)" in visible_text(
        clinician.get(f"/people/{harness.people['Hanna']}").text
    )


@pytest.mark.promise("P11")
def test_what_rests_on_an_unconfirmed_rule_bears_the_mark(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    # Tobias left two BPI interference items blank at start: its blanks rule is verified, the severity's is not touched.
    # The programme's "completed" is unconfirmed for everybody (programme.yaml).
    harness.finish("Tobias", "item9_blank")
    page = visible_text(clinician.get(f"/people/{harness.people['Tobias']}").text)
    assert "Completed all lessons: yes Unconfirmed based on programme.completed_all" in page
    pcs = table_rows(_measure(clinician.get(f"/people/{harness.people['Tobias']}").text, "pcs-total"))
    (eppoc,) = [row for row in pcs if row.startswith("ePPOC: 6 points and another band")]
    assert "Unconfirmed" in eppoc


def test_a_score_that_rests_on_an_unconfirmed_rule_is_shown_with_the_mark_and_not_published(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    # TSK-11: which items are reversed is not confirmed (clinical.md 2.1), so every score of it rests on that.
    harness.finish("Priya", "item9_positive")
    for timepoint, on in (("start", "2026-03-02"), ("post", "2026-04-28")):
        harness.letter_harness.answer(
            "item9_positive", "tsk11", timepoint, "2 2 2 2 2 2 2 2 2 2 2", on, now=moment("2026-05-01")
        )
    page = clinician.get(f"/people/{harness.people['Priya']}").text
    (row_text,) = [row for row in table_rows(page) if row.startswith("Fear of movement (TSK-11)")]
    assert row_text.count("Unconfirmed based on") == 3  # its baseline, its score, its change
    tsk = _measure(page, "tsk11-total")
    scored = [row for row in table_rows(tsk) if row.startswith(("Start", "End of programme"))]
    assert len(scored) == 2
    assert all("Unconfirmed based on" in row and "not in letters, not delivered" in row for row in scored)
    with harness.store.read() as uow:
        (one,) = [
            r.response.id
            for r in uow.responses.of_episode(harness.episodes["Priya"])
            if (r.response.instrument, r.response.timepoint) == ("tsk11", "post")
        ]
        score = clinic().ids.score_id(one, clinic().instruments[InstrumentId("tsk11")].scales[0].id)
        assert uow.published.find(Reader.internal(), "Observation", score) is None


def test_a_rule_of_a_measure_that_the_result_line_leaves_out_is_not_marked_counted(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    # The K10 is due at screening only; who fills it at start and end is shown its change, and is not counted by it.
    harness.finish("Priya", "item9_positive")
    for timepoint, on, values in (("start", "2026-03-02", "3 " * 10), ("post", "2026-04-28", "1 " * 10)):
        harness.letter_harness.answer(
            "item9_positive", "k10", timepoint, values.strip(), on, now=moment("2026-05-01")
        )
    k10 = table_rows(_measure(clinician.get(f"/people/{harness.people['Priya']}").text, "k10-total"))
    assert any("Fell by 20 points (66.7%), for the better" in row for row in k10)
    (rule,) = [row for row in k10 if "measurely.k10.reliable_change" in row]
    assert "Improved" in rule and "counted" not in rule


def test_a_safety_item_left_blank_is_neither_zero_nor_silent(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.finish("Tobias", "item9_blank")
    lines = table_rows(clinician.get(f"/people/{harness.people['Tobias']}").text)
    assert "Screening 18 February 2026 Not at all (0)" in lines
    assert "End of programme 28 April 2026 Not answered" in lines


def test_blanks_that_were_prorated_are_said_beside_the_score(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    # GAD-7 with one of seven items blank at the end: 2+2+2+1+1+1 = 9 of six, 9 * 7 / 6 = 10.5, half up 11 (moderate 10-14).
    harness.finish("Tobias", "item9_blank")
    gad7 = table_rows(_measure(clinician.get(f"/people/{harness.people['Tobias']}").text, "gad7-total"))
    assert any("11 , moderate 1 of 7 blank, prorated" in row for row in gad7), gad7


def test_an_acknowledged_flag_stays_on_the_page_with_what_was_done(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.finish("Priya", "item9_positive")
    page = visible_text(clinician.get(f"/people/{harness.people['Priya']}").text)
    assert "Acknowledged by Dr Robin Example on 3 March 2026" in page
    assert "Telephoned the same day, safety plan agreed, GP told by telephone." in page


def test_a_withdrawn_response_is_told_with_its_reason_and_leaves_the_scores(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.finish("Priya", "item9_positive")
    with harness.store.begin() as uow:
        recorded = uow.responses.of_episode(harness.episodes["Priya"])
        (one,) = [
            r.response for r in recorded if (r.response.instrument, r.response.timepoint) == ("phq9", "post")
        ]
        withdraw_response(
            uow,
            harness.publishing,
            ResponseId(one.id),
            reason="another person answered",
            by="source:redcap-wide",
            now=harness.clock(),
        )
    page = clinician.get(f"/people/{harness.people['Priya']}").text
    assert "withdrawn (another person answered)" in visible_text(page)
    assert "the response has been withdrawn since" in visible_text(page)
    assert "12" not in " ".join(table_rows(_measure(page, "phq9-total")))


def test_what_was_delivered_where_and_when(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.finish("Kofi", "never_started")
    path = f"/people/{harness.people['Kofi']}"
    before = visible_text(clinician.get(path).text)
    assert "waiting to be sent" in before
    assert "nothing yet" in before
    assert harness.deliver() > 0
    (line,) = [row for row in table_rows(clinician.get(path).text) if row.startswith("hospital")]
    assert " delivered" in line
    assert "30 July 2026, 10:00 am" in line
    listed = visible_text(clinician.get(f"{path}/deliveries").text)
    assert "Questionnaire answers, version 1" in listed
    assert "delivered 30 July 2026, 10:00 am" in listed


def test_the_audit_names_the_person_and_every_response_shown(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="screening")
    clinician.get(f"/people/{harness.people['Nadia']}")
    row = harness.last_audit_row()
    assert row.persons == (harness.people["Nadia"],)
    assert len(row.resources) == 3  # PHQ-9, GAD-7 and K10 at screening
    assert all(
        re.fullmatch(r"QuestionnaireResponse/response-[0-9a-f]{32}/_history/1", one) for one in row.resources
    )
    assert row.route == "/people/<person_id>"


def test_another_persons_episode_is_not_found_under_this_person(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="screening")
    harness.refer("Willa")
    own = f"/people/{harness.people['Nadia']}/episodes/{harness.episodes['Nadia']}"
    assert clinician.get(own).status_code == 200
    crossed = f"/people/{harness.people['Nadia']}/episodes/{harness.episodes['Willa']}"
    assert clinician.get(crossed).status_code == 404


def test_the_page_says_as_of_when_and_that_nobody_watches(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="screening")
    page = clinician.get(f"/people/{harness.people['Nadia']}").text
    assert "As of 30 July 2026, 10:00 am" in visible_text(page)
    assert "Not a real-time service." in page
    assert "In an emergency call 000. Lifeline answers day and night on 13 11 14." in page  # programme.yaml


def test_a_hostile_name_is_text(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.enrol_from_export('<script>alert(1)</script>"', until="screening")
    page = clinician.get(f"/people/{list(harness.people.values())[0]}").text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
