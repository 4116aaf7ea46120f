"""Everything that is recorded of one episode, published as it stands: for an episode whose doubt is lifted."""

from datetime import datetime

from fhir_pmp.fhir.flag import build_flag
from fhir_pmp.fhir.rendered import Rendered
from fhir_pmp.fhir.renderers import renderers_of
from fhir_pmp.intake.changes import Ground, change_resources
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import Episode, ResponseStatus
from fhir_pmp.pathway.outcomes import Scored
from fhir_pmp.publishing.care import publish_care
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books


def publish_record(
    books: Books, clinic: Clinic, publisher: Publisher, episode: Episode, now: datetime
) -> None:
    """Publishes the episode's care, responses, scores, flags and changes; what is unchanged stays as it is.

    A response that was withdrawn comes along, as entered in error, only where its flag points to it.
    """
    publish_care(books, clinic, publisher, [episode.id], now)
    flags = books.flags.of_episodes([episode.id]).get(episode.id, [])
    flagged = {flag.response for flag in flags}
    recorded = [
        one
        for one in books.responses.of_episode(episode.id, withdrawn=True)
        if one.response.status is not ResponseStatus.ENTERED_IN_ERROR or one.response.id in flagged
    ]
    renderers = renderers_of(clinic)
    resources: list[Rendered] = []
    for one in recorded:
        resources += renderers[one.response.instrument](one.response, one.scores)
    resources += [build_flag(clinic, flag) for flag in flags]
    ground = Ground(
        episode=episode,
        scored=tuple(Scored(one.response, one.scores) for one in recorded),
        instruments=frozenset(one.response.instrument for one in recorded),
        new=frozenset(),
    )
    resources += change_resources(books, clinic, [ground])
    publisher.publish(books, resources, now=now)
