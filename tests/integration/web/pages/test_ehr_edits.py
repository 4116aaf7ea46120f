"""What somebody at an EHR did to ours: the page of its work item shows what stands there now, and the audit who looked."""

from fhir_pmp.ehr.config.work_item_kinds import EDITED
from fhir_pmp.ehr.sync_back.edit_alerts import open_edit_alert
from fhir_pmp.identifiers import DestinationId
from tests.integration.web.pages.clinic_harness import ClinicHarness, FormBrowser
from tests.integration.web.pages.html_reader import visible_text

HOSPITAL = DestinationId("hospital")
EDITED_THERE = (
    b'{"resourceType":"Observation","id":"score-1","meta":{"versionId":"2"},"status":"final",'
    b'"note":[{"text":"<b>seen</b> on the ward"}],"valueQuantity":{"value":7.10,"unit":"{score}"}}'
)


def test_an_edit_at_the_ehr_is_shown_as_it_stands_there(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    person = harness.people["Nadia"]
    with harness.store.begin() as uow:
        arrival = uow.inbox.add("pull", HOSPITAL, EDITED_THERE, now=harness.clock())
        open_edit_alert(
            uow, EDITED, HOSPITAL, "Observation/score-1",
            theirs="2", person=person, now=harness.clock(), inbox=arrival.id,
        )  # fmt: skip
        (item,) = uow.work_items.list_open(kinds=[EDITED])
    answer = clinician.get(f"/work/{item.id}")
    assert answer.status_code == 200
    page = visible_text(answer.text)
    assert "Observation: Value quantity" in page
    assert "7.10 {score}" in page
    assert "<b>seen</b> on the ward" in page  # as words, not as mark-up
    assert harness.last_audit_row().persons == (person,)
    assert clinician.get(f"/work/{item.id}/arrivals/{arrival.id}").data == EDITED_THERE
