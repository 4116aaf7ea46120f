"""Generates an example score Observation for docs/reference/fhir-mapping.md.

It is the PHQ-9 of an invented person, with one item left blank.
"""

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from docs.generated_pages.capability import EXAMPLE_BASE
from docs.generated_pages.markdown import json_block
from fhir_pmp.fhir.measurement.score_observation import build_score_observations
from fhir_pmp.identifiers import InstrumentId, LinkId, SourceId, TimepointId
from fhir_pmp.pathway.clinic_loading import load_clinic
from fhir_pmp.pathway.facts import Moment, Response, ResponseStatus

PHQ9 = InstrumentId("phq9")
START = TimepointId("start")
SOURCE = SourceId("redcap-wide")
ANSWERED = datetime(2026, 3, 1, 10, 11, 12, tzinfo=timezone(timedelta(hours=11)))


def example_score(mappings: Path) -> str:
    """Returns the Observation as a JSON block. Raises MappingFaults."""
    clinic = load_clinic(
        mappings, wording=None, id_secret=bytes(32), canonical_base=EXAMPLE_BASE, zone=ZoneInfo("UTC")
    )
    response_id = clinic.ids.response_id(SOURCE, None, "17", PHQ9, START)
    answers = clinic.check(PHQ9, {f"phq9-{number}": 2 for number in range(1, 9)})  # item 9 is blank
    response = Response(
        id=response_id,
        person=clinic.ids.person_id(SOURCE, "17"),
        episode=clinic.ids.episode_id(SOURCE, "17"),
        instrument=PHQ9,
        instrument_version=clinic.instruments[PHQ9].version,
        timepoint=START,
        authored=Moment(ANSWERED.isoformat(), date(2026, 3, 1), ANSWERED),
        status=ResponseStatus.COMPLETED,
        version=1,
        answers={LinkId(item): value for item, value in answers.items()},
        identifier=clinic.ids.response_identifier(SOURCE, None, response_id),
        source=SOURCE,
    )
    (score,) = build_score_observations(clinic, response, clinic.score(PHQ9, answers))
    return json_block(json.loads(score.content))
