"""What time alone brings about: a programme ends when the window of its last questionnaires has closed."""

from datetime import UTC, datetime, timedelta

from fhir_pmp.intake.arrivals import Ending
from fhir_pmp.intake.timekeeping import finish_closed_episodes
from fhir_pmp.pathway.facts import EpisodeState
from tests.integration.intake.house import STARTED, House, enrolment

LAST_DAY = STARTED + timedelta(days=84)  # of the post timepoint's window, in the clinic's zone


def at(day: int, hour: int) -> datetime:
    """So many days after the last day of the window, at that hour in Sydney, where it is winter."""
    return datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, hour, tzinfo=UTC) + timedelta(
        days=day, hours=-10
    )


def finish(house: House, now: datetime) -> int:
    """Time is looked at."""
    return finish_closed_episodes(house.store, house.clinic, house.publisher, now)


def test_a_commenced_episode_is_finished_once_its_window_has_closed_in_the_clinics_zone(house: House) -> None:
    house.now = at(0, 9)
    house.enrol(enrolment())
    assert finish(house, at(0, 23)) == 0
    assert house.episode().state is EpisodeState.COMMENCED
    assert finish(house, at(1, 0)) == 1
    assert house.episode().state is EpisodeState.FINISHED
    assert [kind for _, kind in house.letters_due()] == ["discharge"]
    (care,) = house.published("EpisodeOfCare").values()
    assert (care["status"], care["period"]["end"]) == ("finished", LAST_DAY.isoformat())
    # Looked at again, nothing is new.
    assert finish(house, at(2, 0)) == 0
    assert len(house.letters_due()) == 1


def test_time_ends_nothing_that_has_not_commenced_or_has_ended(house: House) -> None:
    house.now = at(0, 9)
    house.enrol(
        enrolment("waiting", started_on=None), enrolment("stopped", ended_how=Ending.STOPPED, end_reason="x")
    )
    assert finish(house, at(30, 0)) == 0
    assert house.episode("waiting").state is EpisodeState.ENROLLED
    assert house.episode("stopped").state is EpisodeState.STOPPED


def test_an_episode_in_doubt_ends_as_well_and_is_not_published(house: House) -> None:
    house.now = at(0, 9)
    house.enrol(enrolment("known"))
    known = enrolment("known").identifiers
    house.enrol(enrolment("e1", identifiers=known, birth_date=STARTED.replace(year=1980)))
    before = house.versions()
    assert finish(house, at(1, 0)) == 2
    assert house.episode("e1").state is EpisodeState.FINISHED
    assert house.moved_since(before) == {f"EpisodeOfCare/{house.episode('known').id}"}
