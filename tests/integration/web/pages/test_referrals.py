"""A referral is shown as it was received: every type by its name, every word as text, every attachment to keep."""

import base64

from tests.integration.letters.house import bundle_of, moment
from tests.integration.web.pages.day import PDF, Day, Visitor, add_entry, facts, with_more
from tests.integration.web.pages.reading import words


def test_what_is_asked_for_and_everything_that_came_with_it_is_shown(day: Day, ada: Visitor) -> None:
    referral = day.refer("Willa")
    page = words(ada.get(f"/referrals/{referral}").text)
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


def test_the_audit_names_every_version_that_was_shown(day: Day, ada: Visitor) -> None:
    referral = day.refer("Willa")
    ada.get(f"/referrals/{referral}")
    row = day.last_audited()
    assert row.persons == (day.people["Willa"],)
    kinds = sorted(reference.split("/")[0] for reference in row.resources)
    assert kinds == sorted(
        ["Patient", "ServiceRequest", "Task", "Condition", "DocumentReference"]
        + ["Organization", "Practitioner", "PractitionerRole"]
    )


def test_an_attachment_is_given_out_byte_for_byte_to_keep(day: Day, ada: Visitor) -> None:
    referral = day.refer("Willa")
    page = ada.get(f"/referrals/{referral}").text
    path = page.partition(f'href="/referrals/{referral}/attachments/')[2].partition('"')[0]
    answer = ada.get(f"/referrals/{referral}/attachments/{path}")
    assert answer.data == PDF
    assert answer.content_type == "application/pdf"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="referral-R-')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Letter of the GP" not in answer.headers["Content-Disposition"]
    assert len(day.last_audited().resources) == 1
    assert ada.get(f"/referrals/{referral}/attachments/{path[:-1]}2").status_code == 404
    assert ada.get(f"/referrals/{referral}/attachments/999/1").status_code == 404


def test_what_a_browser_could_run_is_only_bytes(day: Day, ada: Visitor) -> None:
    bundle = with_more(bundle_of(facts("Willa")), {})
    hostile = base64.b64encode(b"<script>alert(1)</script>").decode()
    resource = {
        "resourceType": "Binary",
        "contentType": "text/html",
        "data": hostile,
    }
    add_entry(bundle, resource, "urn:uuid:200")
    referral = day.receive("Willa", bundle, moment("2026-07-27"))
    position = len(bundle["entry"]) - 1
    answer = ada.get(f"/referrals/{referral}/attachments/{position}/1")
    assert answer.data == b"<script>alert(1)</script>"
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"].endswith('.bin"')


def test_foreign_words_are_text_and_foreign_narrative_is_not_shown(day: Day, ada: Visitor) -> None:
    bundle = with_more(
        bundle_of(facts("Willa")),
        {
            "text": {
                "status": "generated",
                "div": '<div xmlns="http://www.w3.org/1999/xhtml">the narrative</div>',
            },
            "note": [{"text": "<img src=http://elsewhere.example/x onerror=alert(1)>"}],
        },
    )
    referral = day.receive("Willa", bundle, moment("2026-07-27"))
    page = ada.get(f"/referrals/{referral}").text
    assert "the narrative" not in page
    assert "<img" not in page
    assert "&lt;img src=http://elsewhere.example/x onerror=alert(1)&gt;" in page
