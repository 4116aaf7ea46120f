"""What time alone brings about: a programme ends when the window of its last questionnaires has closed."""

from datetime import UTC, datetime, timedelta

from fhir_pmp.intake.arrivals import Ending
from fhir_pmp.intake.episode.closed_windows import finish_closed_episodes
from fhir_pmp.pathway.facts import EpisodeState
from tests.integration.intake.intake_harness import STARTED, IntakeHarness, enrolment

LAST_DAY = STARTED + timedelta(days=84)  # of the post timepoint's window, in the clinic's zone


def at(day: int, hour: int) -> datetime:
    """So many days after the last day of the window, at that hour in Sydney, where it is winter."""
    return datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, hour, tzinfo=UTC) + timedelta(
        days=day, hours=-10
    )


def finish(harness: IntakeHarness, now: datetime) -> int:
    """Time is looked at."""
    return finish_closed_episodes(harness.store, harness.publishing, now)


def test_a_commenced_episode_is_finished_once_its_window_has_closed_in_the_clinics_zone(
    harness: IntakeHarness,
) -> None:
    harness.now = at(0, 9)
    harness.enrol(enrolment())
    assert finish(harness, at(0, 23)) == 0
    assert harness.episode().state is EpisodeState.COMMENCED
    assert finish(harness, at(1, 0)) == 1
    assert harness.episode().state is EpisodeState.FINISHED
    assert [kind for _, kind in harness.letters_due()] == ["discharge"]
    (care,) = harness.published("EpisodeOfCare").values()
    assert (care["status"], care["period"]["end"]) == ("finished", LAST_DAY.isoformat())
    # Looked at again, nothing is new.
    assert finish(harness, at(2, 0)) == 0
    assert len(harness.letters_due()) == 1


def test_time_ends_nothing_that_has_not_commenced_or_has_ended(harness: IntakeHarness) -> None:
    harness.now = at(0, 9)
    harness.enrol(
        enrolment("waiting", started_on=None), enrolment("stopped", ended_how=Ending.STOPPED, end_reason="x")
    )
    assert finish(harness, at(30, 0)) == 0
    assert harness.episode("waiting").state is EpisodeState.ENROLLED
    assert harness.episode("stopped").state is EpisodeState.STOPPED


def test_an_episode_in_doubt_ends_as_well_and_is_not_published(harness: IntakeHarness) -> None:
    harness.now = at(0, 9)
    harness.enrol(enrolment("known"))
    known = enrolment("known").identifiers
    harness.enrol(enrolment("e1", identifiers=known, birth_date=STARTED.replace(year=1980)))
    before = harness.versions()
    assert finish(harness, at(1, 0)) == 2
    assert harness.episode("e1").state is EpisodeState.FINISHED
    assert harness.changed_since(before) == {f"EpisodeOfCare/{harness.episode('known').id}"}
