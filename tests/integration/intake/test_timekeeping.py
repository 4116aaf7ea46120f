"""Time alone ends a commenced episode: once its post window has closed, and on the day it closed."""

from datetime import UTC, datetime, time, timedelta

from fhir_pmp.intake.timekeeping import finish_closed_episodes
from fhir_pmp.pathway.facts import EpisodeState
from tests.integration.intake.house import STARTED, House, enrolment

LAST_DAY = STARTED + timedelta(days=84)  # programme.yaml: post closes on day 84 from the start


def test_an_episode_ends_the_day_after_its_post_window_and_its_letter_falls_due(house: House) -> None:
    house.enrol(enrolment("e1", ended_on=None, ended_how=None))
    assert house.episode("e1").state is EpisodeState.COMMENCED
    # Noon UTC is the evening of the same day in the clinic's zone.
    last = datetime.combine(LAST_DAY, time(12), UTC)
    assert finish_closed_episodes(house.store, house.clinic, house.publisher, last) == 0
    after = last + timedelta(days=1)
    assert finish_closed_episodes(house.store, house.clinic, house.publisher, after) == 1
    ended = house.episode("e1")
    assert (ended.state, ended.ended_on) == (EpisodeState.FINISHED, LAST_DAY)
    assert [kind for _, kind in house.letters_due()] == ["discharge"]
    assert finish_closed_episodes(house.store, house.clinic, house.publisher, after) == 0
