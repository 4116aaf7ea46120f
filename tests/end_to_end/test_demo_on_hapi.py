"""Whatever is repeated, killed or stopped: a real EHR holds everything that was sent, once and equal."""

import json
import time
from base64 import b64decode
from pathlib import Path
from subprocess import Popen

import pytest

from demo.clinician_tasks import acknowledge_flags
from demo.ehr import open_ehr
from demo.practice_system import PracticeSystem
from demo.scenario import run_scenario
from demo.service import DemoService
from tests.end_to_end.running_demo import RunningDemo

pytestmark = [pytest.mark.hapi, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def killed(running_demo: RunningDemo) -> Popen[bytes]:
    """Twelve more people were on their way when sync was killed with kill -9; it was started again at once."""
    sync = running_demo.service.sync
    assert sync is not None
    running_demo.hand_in(running_demo.people(12, 24), "twelve-more.csv")
    running_demo.wait_until_delivery_is_in_progress()
    sync.kill()
    assert sync.wait(10) == -9
    assert running_demo.states()["in_flight"] > 0
    running_demo.service.start_sync()
    return sync


@pytest.mark.promise("P2")
def test_everything_that_the_demo_sent_is_there_once_and_equal(running_demo: RunningDemo) -> None:
    result = running_demo.result
    assert result.is_everything_delivered
    assert result.newly_sent > 500
    assert result.read_back["Patient"] == 12
    report = running_demo.compare()
    assert report.is_clean, str(report)
    assert set(result.sent) <= set(report.found)


def test_a_comparison_of_everything_finds_all_of_it_equal_and_nothing_to_do(
    running_demo: RunningDemo,
) -> None:
    running_demo.wait_until_all_delivered()
    comparison = json.loads(running_demo.service.run("reconcile", "--dry-run", "--json").splitlines()[-1])
    assert comparison["complete"]
    assert comparison["found"].keys() == {"equal"}, comparison["found"]
    # People of other tests may be there as well.
    acknowledged = running_demo.read(
        "SELECT 'resources', count(*) FROM (SELECT DISTINCT type, id FROM published JOIN outbox "
        "ON outbox.published_seq = published.seq WHERE destination = ? AND outbox.state = 'sent')",
        running_demo.ehr.destination,
    )
    assert acknowledged == [("resources", comparison["found"]["equal"])]
    assert comparison["found"]["equal"] >= sum(running_demo.result.sent.values())
    assert comparison["again"] == []


def test_the_demo_shows_what_it_promises_to_show(running_demo: RunningDemo) -> None:
    result = running_demo.result
    assert (result.referrals, result.accepted) == (3, 3)
    assert result.flags_acknowledged > 0
    assert any("responses: 0 accepted" in line and " 0 amended" not in line for line in result.import_output)
    assert {letter.ended for letter in result.letters} == {"finished", "stopped"}


@pytest.mark.promise("P2")
def test_a_second_run_finds_everything_delivered_and_sends_nothing(running_demo: RunningDemo) -> None:
    # People of other tests may have raised flags, which the clinician of a second run would find.
    acknowledge_flags(running_demo.pages())
    running_demo.wait_until_all_delivered()
    with DemoService(running_demo.run_folder, running_demo.ehr) as again:
        result = run_scenario(again, running_demo.ehr, 12)
    assert result.newly_sent == 0
    assert result.is_successful
    assert not any(" refused" in line and " 0 refused" not in line for line in result.import_output)
    assert not any(" accepted" in line and " 0 accepted" not in line for line in result.import_output)
    report = running_demo.compare()
    assert report.is_clean, str(report)


def test_another_server_is_counted_by_our_ids_alone(running_demo: RunningDemo) -> None:
    with open_ehr(running_demo.ehr.base, running_demo.run_folder) as external:
        assert external.is_external
        assert external.accepts_our_ids
        ids = running_demo.service.sent_ids()["Patient"]
        assert external.count("Patient", sorted(ids)[:5]) == 5
        assert external.count("Patient", ["patient-of-nobody"]) == 0


def test_what_sync_had_sent_before_it_was_killed_is_there_once(
    running_demo: RunningDemo, killed: Popen[bytes]
) -> None:
    assert killed.returncode == -9
    # Its own lanes wait until its lease has run out; everybody else's go on.
    deadline = time.monotonic() + 120
    while running_demo.states().get("pending"):
        assert time.monotonic() < deadline, str(running_demo.states())
        time.sleep(0.2)
    report = running_demo.compare()
    assert report.is_clean, str(report)


def test_a_letter_is_read_by_the_practice_that_referred_and_by_no_other(running_demo: RunningDemo) -> None:
    tokens: dict[str, str] = json.loads((running_demo.run_folder.folder / "tokens.json").read_text())
    by_record = {person.record_id: person for person in running_demo.people(0, 12)}
    assert len(running_demo.result.letters) == 2
    for letter in running_demo.result.letters:
        own = by_record[letter.record].practice.identifier
        systems = {
            one: PracticeSystem(f"{running_demo.service.address}/fhir", token)
            for one, token in tokens.items()
        }
        task = systems[own].read(letter.task)
        assert task["status"] == "completed"
        document = task["output"][-1]["valueReference"]["reference"]
        attachment = systems[own].read(document)["content"][0]["attachment"]
        assert b64decode(attachment["data"]) == Path(letter.pdf).read_bytes()
        for other, system in systems.items():
            for reference in (letter.task, letter.person, document):
                assert system.status(reference) == (200 if other == own else 404)


@pytest.mark.promise("P6")
def test_an_import_given_twice_brings_nothing_new(running_demo: RunningDemo, killed: Popen[bytes]) -> None:
    rows = "SELECT 'published', count(*) FROM published UNION ALL SELECT 'outbox', count(*) FROM outbox"
    before = running_demo.read(rows)
    output = running_demo.hand_in(running_demo.people(12, 24), "the-same-again.csv")
    assert "responses: 0 accepted" in output
    assert "enrolments: 0 accepted, 12 repeated, 0 amended, 0 refused" in output
    assert running_demo.read(rows) == before
    report = running_demo.compare()
    assert report.is_clean, str(report)


@pytest.mark.promise("P1")
def test_an_ehr_stopped_and_started_in_the_middle_gets_everything_once(running_demo: RunningDemo) -> None:
    running_demo.hand_in(running_demo.people(24, 36), "a-last-dozen.csv")
    running_demo.wait_until_delivery_is_in_progress()
    running_demo.server.stop()
    assert running_demo.states()["pending"] > 0
    running_demo.server.start()
    running_demo.wait_until_all_delivered()
    assert "dead" not in running_demo.states()
    report = running_demo.compare()
    assert report.is_clean, str(report)
    assert report.found["Patient"] == len(running_demo.service.sent_ids()["Patient"]) > 12


@pytest.mark.promise("P2")
def test_what_was_on_its_way_when_sync_was_killed_arrives_once(
    running_demo: RunningDemo, killed: Popen[bytes]
) -> None:
    running_demo.wait_until_all_delivered()
    assert set(running_demo.states()) <= {"sent", "superseded", "withheld"}
    report = running_demo.compare()
    assert report.is_clean, str(report)
    # Who does not share is not there; of the twelve that came last some are.
    assert report.found["Patient"] == len(running_demo.service.sent_ids()["Patient"]) > 12
