"""Whatever is repeated, killed or stopped: a real EHR holds everything that was sent, once and equal."""

import json
import time
from base64 import b64decode
from pathlib import Path
from subprocess import Popen

import pytest

from demo.clinic_day import acknowledge_flags
from demo.ehr import choose_ehr
from demo.house import House
from demo.practice import PracticeSystem
from demo.story import tell
from tests.end_to_end.stage import Stage

pytestmark = [pytest.mark.hapi, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def killed(stage: Stage) -> Popen[bytes]:
    """Twelve more people were on their way when sync was killed with kill -9; it was started again at once."""
    sync = stage.house.sync
    assert sync is not None
    stage.hand_in(stage.people(12, 24), "twelve-more.csv")
    stage.wait_until_something_is_on_its_way()
    sync.kill()
    assert sync.wait(10) == -9
    assert stage.states()["in_flight"] > 0
    stage.house.start_sync()
    return sync


def test_everything_that_the_demo_sent_is_there_once_and_equal(stage: Stage) -> None:
    facts = stage.facts
    assert facts.everything_there
    assert facts.newly_sent > 500
    assert facts.read_back["Patient"] == 12
    report = stage.compare()
    assert report.is_clean, str(report)
    assert set(facts.sent) <= set(report.found)


def test_a_comparison_of_everything_finds_all_of_it_equal_and_nothing_to_do(stage: Stage) -> None:
    stage.wait_until_nothing_is_due()
    told = json.loads(stage.house.run("reconcile", "--dry-run", "--json").splitlines()[-1])
    assert told["complete"]
    assert told["found"].keys() == {"equal"}, told["found"]
    # People of other tests may be there as well.
    acknowledged = stage.read(
        "SELECT 'resources', count(*) FROM (SELECT DISTINCT type, id FROM published JOIN outbox "
        "ON outbox.published = published.seq WHERE destination = ? AND outbox.state = 'sent')",
        stage.ehr.destination,
    )
    assert acknowledged == [("resources", told["found"]["equal"])]
    assert told["found"]["equal"] >= sum(stage.facts.sent.values())
    assert told["again"] == []


def test_the_demo_shows_what_it_promises_to_show(stage: Stage) -> None:
    facts = stage.facts
    assert (facts.referrals, facts.accepted) == (3, 3)
    assert facts.flags_acknowledged > 0
    assert any("responses: 0 accepted" in line and " 0 amended" not in line for line in facts.import_says)
    assert {letter.ended for letter in facts.letters} == {"finished", "stopped"}


def test_a_second_run_finds_everything_delivered_and_sends_nothing(stage: Stage) -> None:
    # People of other tests may have raised flags, which the clinician of a second run would find.
    acknowledge_flags(stage.pages())
    stage.wait_until_nothing_is_due()
    with House(stage.workplace, stage.ehr) as again:
        facts = tell(again, stage.ehr, 12)
    assert facts.newly_sent == 0
    assert facts.all_went_well
    assert not any(" refused" in line and " 0 refused" not in line for line in facts.import_says)
    assert not any(" accepted" in line and " 0 accepted" not in line for line in facts.import_says)
    report = stage.compare()
    assert report.is_clean, str(report)


def test_another_server_is_counted_by_our_ids_alone(stage: Stage) -> None:
    with choose_ehr(stage.ehr.base, stage.workplace) as elsewhere:
        assert elsewhere.is_elsewhere
        assert elsewhere.takes_our_ids
        ids = stage.house.sent_ids()["Patient"]
        assert elsewhere.count("Patient", sorted(ids)[:5]) == 5
        assert elsewhere.count("Patient", ["patient-of-nobody"]) == 0


def test_what_sync_had_sent_before_it_was_killed_is_there_once(stage: Stage, killed: Popen[bytes]) -> None:
    assert killed.returncode == -9
    # Its own lanes wait until its lease has run out; everybody else's go on.
    deadline = time.monotonic() + 120
    while stage.states().get("pending"):
        assert time.monotonic() < deadline, str(stage.states())
        time.sleep(0.2)
    report = stage.compare()
    assert report.is_clean, str(report)


def test_a_letter_is_read_by_the_practice_that_referred_and_by_no_other(stage: Stage) -> None:
    tokens: dict[str, str] = json.loads((stage.workplace.folder / "tokens.json").read_text())
    by_record = {person.record_id: person for person in stage.people(0, 12)}
    assert len(stage.facts.letters) == 2
    for letter in stage.facts.letters:
        own = by_record[letter.record].practice.identifier
        systems = {one: PracticeSystem(f"{stage.house.address}/fhir", token) for one, token in tokens.items()}
        task = systems[own].read(letter.task)
        assert task["status"] == "completed"
        document = task["output"][-1]["valueReference"]["reference"]
        attachment = systems[own].read(document)["content"][0]["attachment"]
        assert b64decode(attachment["data"]) == Path(letter.pdf).read_bytes()
        for other, system in systems.items():
            for reference in (letter.task, letter.person, document):
                assert system.status(reference) == (200 if other == own else 404)


def test_an_import_given_twice_brings_nothing_new(stage: Stage, killed: Popen[bytes]) -> None:
    rows = "SELECT 'published', count(*) FROM published UNION ALL SELECT 'outbox', count(*) FROM outbox"
    before = stage.read(rows)
    said = stage.hand_in(stage.people(12, 24), "the-same-again.csv")
    assert "responses: 0 accepted" in said
    assert "enrolments: 0 accepted, 12 repeated, 0 amended, 0 refused" in said
    assert stage.read(rows) == before
    report = stage.compare()
    assert report.is_clean, str(report)


def test_an_ehr_stopped_and_started_in_the_middle_gets_everything_once(stage: Stage) -> None:
    stage.hand_in(stage.people(24, 36), "a-last-dozen.csv")
    stage.wait_until_something_is_on_its_way()
    stage.server.stop()
    assert stage.states()["pending"] > 0
    stage.server.start()
    stage.wait_until_nothing_is_due()
    assert "dead" not in stage.states()
    report = stage.compare()
    assert report.is_clean, str(report)
    assert report.found["Patient"] == len(stage.house.sent_ids()["Patient"]) > 12


def test_what_was_on_its_way_when_sync_was_killed_arrives_once(stage: Stage, killed: Popen[bytes]) -> None:
    stage.wait_until_nothing_is_due()
    assert set(stage.states()) <= {"sent", "superseded", "withheld"}
    report = stage.compare()
    assert report.is_clean, str(report)
    # Who does not share is not there; of the twelve that came last some are.
    assert report.found["Patient"] == len(stage.house.sent_ids()["Patient"]) > 12
