"""A referral is shown as it was received: every type by its name, every word as text, every attachment to keep."""

import base64

from tests.integration.letters.letter_harness import build_referral_bundle, moment
from tests.integration.web.pages.clinic_harness import (
    PDF,
    ClinicHarness,
    FormBrowser,
    add_entry,
    facts,
    with_attachments,
)
from tests.integration.web.pages.html_reader import visible_text


def test_what_is_asked_for_and_everything_that_came_with_it_is_shown(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    referral = harness.refer("Willa")
    page = visible_text(clinician.get(f"/referrals/{referral}").text)
    assert "Reason Low back pain for two years" in page
    assert "Code, code Chronic low back pain (http://snomed.info/sct 278860009)" in page
    assert "Onset string about two years ago" in page
    for name in (
        "Service request",
        "Document reference",
        "Practitioner role",
        "Organization",
        "Patient",
        "Task",
    ):
        assert name in page


def test_the_audit_names_every_version_that_was_shown(harness: ClinicHarness, clinician: FormBrowser) -> None:
    referral = harness.refer("Willa")
    clinician.get(f"/referrals/{referral}")
    row = harness.last_audit_row()
    assert row.persons == (harness.people["Willa"],)
    kinds = sorted(reference.split("/")[0] for reference in row.resources)
    assert kinds == sorted(
        ["Patient", "ServiceRequest", "Task", "Condition", "DocumentReference"]
        + ["Organization", "Practitioner", "PractitionerRole"]
    )


def test_an_attachment_is_given_out_byte_for_byte_to_keep(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    referral = harness.refer("Willa")
    page = clinician.get(f"/referrals/{referral}").text
    path = page.partition(f'href="/referrals/{referral}/attachments/')[2].partition('"')[0]
    answer = clinician.get(f"/referrals/{referral}/attachments/{path}")
    assert answer.data == PDF
    assert answer.content_type == "application/pdf"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="referral-R-')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Letter of the GP" not in answer.headers["Content-Disposition"]
    assert len(harness.last_audit_row().resources) == 1
    assert clinician.get(f"/referrals/{referral}/attachments/{path[:-1]}2").status_code == 404
    assert clinician.get(f"/referrals/{referral}/attachments/999/1").status_code == 404


def test_what_a_browser_could_run_is_only_bytes(harness: ClinicHarness, clinician: FormBrowser) -> None:
    bundle = with_attachments(build_referral_bundle(facts("Willa")), {})
    hostile = base64.b64encode(b"<script>alert(1)</script>").decode()
    resource = {
        "resourceType": "Binary",
        "contentType": "text/html",
        "data": hostile,
    }
    add_entry(bundle, resource, "urn:uuid:200")
    referral = harness.receive("Willa", bundle, moment("2026-07-27"))
    position = len(bundle["entry"]) - 1
    answer = clinician.get(f"/referrals/{referral}/attachments/{position}/1")
    assert answer.data == b"<script>alert(1)</script>"
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"].endswith('.bin"')


def test_foreign_words_are_text_and_foreign_narrative_is_not_shown(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    bundle = with_attachments(
        build_referral_bundle(facts("Willa")),
        {
            "text": {
                "status": "generated",
                "div": '<div xmlns="http://www.w3.org/1999/xhtml">the narrative</div>',
            },
            "note": [{"text": "<img src=http://elsewhere.example/x onerror=alert(1)>"}],
        },
    )
    referral = harness.receive("Willa", bundle, moment("2026-07-27"))
    page = clinician.get(f"/referrals/{referral}").text
    assert "the narrative" not in page
    assert "<img" not in page
    assert "&lt;img src=http://elsewhere.example/x onerror=alert(1)&gt;" in page
