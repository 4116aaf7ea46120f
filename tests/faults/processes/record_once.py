"""An intake process that a test may kill: enrols somebody and records one response with a safety answer, or dies."""

import argparse
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from fhir_pmp import crash_points
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.intake.response.response_recording import record_responses
from fhir_pmp.pathway.clinic_loading import load_clinic
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.publishing.startup import prepare_publishing
from fhir_pmp.store import Store
from tests.integration.ehr.sample_resources import HOSPITAL
from tests.integration.intake.intake_harness import NOW, enrolment, phq9

MAPPINGS = Path(__file__).parents[3] / "mappings"
ZONE = ZoneInfo("Australia/Sydney")


@cache
def clinic() -> ClinicalContext:
    """The clinic of the shipped mappings."""
    return load_clinic(
        MAPPINGS,
        wording=None,
        id_secret=b"0123456789abcdef0123456789abcdef",
        canonical_base="https://clinic.example/fhir",
        zone=ZONE,
    )


def enrol_and_record(store: Store, crash_at: str | None = None) -> str:
    """Enrols somebody, then records their response: what became of it. A crash point is armed in between."""
    publisher = Publisher([HOSPITAL], zone=ZONE)
    prepare_publishing(store, publisher, clinic(), now=NOW)
    with store.begin() as uow:
        record_enrolments(uow, PublishingContext(clinic(), publisher), [enrolment()], NOW)
    if crash_at:
        crash_points.arm(crash_at)
    with store.begin() as uow:
        (result,) = record_responses(
            uow, PublishingContext(clinic(), publisher), [phq9("start", *[2] * 8, 1)], NOW
        )
    return result.status.value


def main() -> None:
    """Reads the command line and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--crash-at", choices=crash_points.POINTS)
    options = parser.parse_args()
    store = Store(options.database)
    print(enrol_and_record(store, options.crash_at), flush=True)
    store.close()


if __name__ == "__main__":
    main()
