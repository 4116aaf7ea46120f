"""Work items: both sides shown, closed with how it was decided; who somebody is, is a choice and not a text."""

import orjson

from fhir_pmp.store.clinical.work_items import WorkItem
from tests.integration.web.pages.clinic_harness import (
    ClinicHarness,
    FormBrowser,
    enrol_again_with,
    enrol_lookalike,
)
from tests.integration.web.pages.html_reader import visible_text


def _open(harness: ClinicHarness, kind: str) -> WorkItem:
    with harness.store.read() as uow:
        (item,) = uow.work_items.list_open(kinds=[kind])
    return item


def test_an_unanswered_safety_item_is_closed_with_how_it_was_decided(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.finish("Tobias", "item9_blank")
    item = _open(harness, "safety_not_answered")
    page = visible_text(clinician.get(f"/work/{item.id}").text)
    assert "PHQ-9 item 9 (thoughts of being better off dead or of self-harm)" in page
    assert "End of programme" in page
    assert clinician.post(f"/work/{item.id}/close", {"how": " "}).status_code == 400
    answer = clinician.post(f"/work/{item.id}/close", {"how": "Called; he had overlooked it"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/worklist")
    closed = visible_text(clinician.get(f"/work/{item.id}").text)
    assert "by Dr Ada Sample: Called; he had overlooked it" in closed
    assert "How it was decided" not in closed


def test_an_item_is_closed_once(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.finish("Tobias", "item9_blank")
    item = _open(harness, "safety_not_answered")
    clinician.post(f"/work/{item.id}/close", {"how": "first"})
    answer = clinician.post(f"/work/{item.id}/close", {"how": "second"})
    assert answer.status_code == 409
    assert "It was closed before" in visible_text(answer.text)


def test_both_records_stand_side_by_side_and_the_audit_names_both(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    enrol_lookalike(harness, "Nadia")
    item = _open(harness, "who_is_this")
    page = visible_text(clinician.get(f"/work/{item.id}").text)
    assert "The record in doubt" in page
    assert "1 January 1991" in page
    assert "A known record" in page
    assert "9 July 1985" in page
    assert item.person is not None
    assert set(harness.last_audit_row().persons) == {item.person, harness.people["Nadia"]}


def test_who_somebody_is_cannot_be_closed_by_a_line_of_text(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    enrol_lookalike(harness, "Nadia")
    item = _open(harness, "who_is_this")
    answer = clinician.post(f"/work/{item.id}/close", {"how": "looked at it"})
    assert answer.status_code == 409
    assert "Choose who this is" in visible_text(answer.text)
    assert clinician.post(f"/work/{item.id}/decide", {}).status_code == 400
    assert _open(harness, "who_is_this").id == item.id


def test_another_person_lifts_the_doubt_and_keeps_the_records_apart(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    enrol_lookalike(harness, "Nadia")
    item = _open(harness, "who_is_this")
    answer = clinician.post(f"/work/{item.id}/decide", {"who": "another"})
    assert answer.headers["Location"] == f"/people/{item.person}"
    assert "Who this is has not been decided" not in visible_text(
        clinician.get(f"/people/{item.person}").text
    )
    with harness.store.read() as uow:
        assert uow.work_items.get(item.id).closed_by == "account:account-ada"


def test_the_same_person_joins_the_records_and_the_doubles_address_leads_to_the_kept_one(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    enrol_lookalike(harness, "Nadia")
    item = _open(harness, "who_is_this")
    answer = clinician.post(f"/work/{item.id}/decide", {"who": harness.people["Nadia"]})
    assert answer.headers["Location"] == f"/people/{harness.people['Nadia']}"
    assert clinician.get(f"/people/{item.person}").headers["Location"] == f"/people/{harness.people['Nadia']}"
    assert "Other episodes" in visible_text(clinician.get(f"/people/{harness.people['Nadia']}").text)


def test_two_contents_of_one_referral_are_shown_where_they_differ(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.refer("Otto")
    harness.receive_changed_referral("Otto")
    item = _open(harness, "referral_differs")
    page = visible_text(clinician.get(f"/work/{item.id}").text)
    assert "As recorded Service request: Reason code, text Low back pain for two years" in page
    assert "As received later Service request: Reason code, text Neck pain after a fall" in page
    assert "Chronic low back pain" not in page  # the same in both


def test_what_was_not_understood_is_kept_to_be_downloaded_and_nothing_else_is(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.refer("Otto")
    harness.receive_unreadable_bundle()
    item = _open(harness, "referral_not_understood")
    page = visible_text(clinician.get(f"/work/{item.id}").text)
    assert "What was wrong" in page
    row = int(item.about.removeprefix("inbox/"))
    answer = clinician.get(f"/work/{item.id}/arrivals/{row}")
    assert orjson.loads(answer.data) == {"resourceType": "Bundle", "type": "transaction", "entry": []}
    assert answer.content_type == "application/octet-stream"
    assert clinician.get(f"/work/{item.id}/arrivals/{row - 1}").status_code == 404  # Otto's referral


def test_what_a_platform_says_otherwise_stands_beside_what_is_registered(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    enrol_again_with(harness, "Nadia", given="Nadja")
    item = _open(harness, "person_differs")
    page = visible_text(clinician.get(f"/work/{item.id}").text)
    assert "As registered Given Nadia" in page
    assert "As the platform now states Given Nadja" in page


def test_an_item_of_an_unknown_kind_shows_its_details(harness: ClinicHarness, clinician: FormBrowser) -> None:
    with harness.store.begin_without_publishing() as uow:
        item = uow.work_items.open(
            "delivery_refused",
            about="delivery/7",
            role="administrator",
            what="The destination does not take this resource.",
            now=harness.clock(),
            details={"destination": "hospital", "status": 422, "reason": "<b>no</b>"},
        )
    page = clinician.get(f"/work/{item.id}")
    assert "Destination hospital" in visible_text(page.text)
    assert "<b>no</b>" not in page.text
