"""The worklist: safety first and oldest first; whoever is named on it is named in the audit, and nobody else."""

import pytest

from fhir_pmp.store.clinical.work_items import WorkItem
from tests.integration.web.pages.clinic_harness import ClinicHarness, FormBrowser
from tests.integration.web.pages.html_reader import table_rows, visible_text


def test_flags_stand_first_then_unanswered_items_then_what_waits(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.finish("Tobias", "item9_blank")
    harness.enrol_from_export("Nadia", until="start")
    harness.refer("Willa")
    page = visible_text(clinician.get("/worklist").text)
    places = [
        page.index(part)
        for part in (
            "Safety flags not acknowledged (1)",
            "Safety items not answered (1)",
            "Referrals to accept or decline (1)",
            "Letters to sign (1)",
            "To decide (0)",
            "People by state",
        )
    ]
    assert places == sorted(places)
    assert "Sampleton, Nadia" in page
    assert "PHQ-9 item 9 (thoughts of being better off dead or of self-harm): several days (1)" in page
    assert "Specimen, Tobias , End of programme: not answered" in page


def test_the_oldest_flag_stands_first(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.enrol_from_export(
        "Felix", until="post"
    )  # both his answers came on one day, one in the start's form, one in the last
    with harness.store.read() as uow:
        oldest_first = [flag.timepoint for flag in uow.flags.list_open()]
    shown = [row for row in table_rows(clinician.get("/worklist").text) if "Felix" in row]
    titles = {"start": "Start", "post": "End of programme"}
    assert len(shown) == 2
    assert all(titles[at] in row for at, row in zip(oldest_first, shown, strict=True))


def test_an_acknowledged_flag_leaves_the_worklist(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.enrol_from_export("Nadia", until="start")
    with harness.store.read() as uow:
        (flag,) = uow.flags.list_open()
    assert f"/flags/{flag.id}" in clinician.get("/worklist").text
    clinician.post(f"/flags/{flag.id}/acknowledge", {"action": "Telephoned the same day"})
    assert f"/flags/{flag.id}" not in clinician.get("/worklist").text


@pytest.mark.promise("P8")
def test_the_audit_names_exactly_those_who_are_shown(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.finish("Kofi", "never_started")
    harness.enrol_from_export("Nadia", until="start")
    harness.refer("Willa")
    harness.enrol_from_export("Otto", until="screening")  # nothing of him waits
    clinician.get("/worklist")
    row = harness.last_audit_row()
    assert (row.who, row.route, row.action, row.outcome) == (
        "account:account-ada",
        "/worklist",
        "read",
        "200",
    )
    assert set(row.persons) == {harness.people["Nadia"], harness.people["Willa"], harness.people["Kofi"]}


def test_more_than_fifty_lines_are_counted_in_full_and_shown_as_far_as_fifty(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.refer("Willa")
    items: list[WorkItem] = []
    with harness.store.begin() as uow:
        for number in range(60):
            items.append(
                uow.work_items.open(
                    "delivery_refused",
                    about=f"delivery/{number}",
                    role="administrator",
                    what=f"line {number:02}",
                    now=harness.clock(),
                )
            )
    page = visible_text(clinician.get("/worklist").text)
    assert "To decide (60)" in page
    assert "Only the oldest 50 are shown." in page
    assert "Line 49" in page
    assert "Line 50" not in page
