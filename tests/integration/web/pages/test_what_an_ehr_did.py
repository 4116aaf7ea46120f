"""What somebody at an EHR did to ours: the page of its work item shows what stands there now, and the audit who looked."""

from fhir_pmp.ehr.ledger import EDITED
from fhir_pmp.ehr.noticing import notice
from fhir_pmp.identifiers import DestinationId
from tests.integration.web.pages.day import Day, Visitor
from tests.integration.web.pages.reading import words

HOSPITAL = DestinationId("hospital")
EDITED_THERE = (
    b'{"resourceType":"Observation","id":"score-1","meta":{"versionId":"2"},"status":"final",'
    b'"note":[{"text":"<b>seen</b> on the ward"}],"valueQuantity":{"value":7.10,"unit":"{score}"}}'
)


def test_an_edit_at_the_ehr_is_shown_as_it_stands_there(day: Day, ada: Visitor) -> None:
    day.take_part("Nadia", until="start")
    person = day.people["Nadia"]
    with day.store.begin() as books:
        arrival = books.inbox.keep("pull", HOSPITAL, EDITED_THERE, now=day.clock())
        notice(
            books, EDITED, HOSPITAL, "Observation/score-1",
            theirs="2", person=person, now=day.clock(), inbox=arrival.id,
        )  # fmt: skip
        (item,) = books.work_items.list_open(kinds=[EDITED])
    answer = ada.get(f"/work/{item.id}")
    assert answer.status_code == 200
    page = words(answer.text)
    assert "Observation: Value quantity" in page
    assert "7.10 {score}" in page
    assert "<b>seen</b> on the ward" in page  # as words, not as mark-up
    assert day.last_audited().persons == (person,)
    assert ada.get(f"/work/{item.id}/arrivals/{arrival.id}").data == EDITED_THERE
