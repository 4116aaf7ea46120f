"""Builds what is published at start: Questionnaires, CodeSystems, ValueSets and our Organization."""

from fhir_pmp.fhir.administration.organization import build_provider
from fhir_pmp.fhir.measurement.questionnaire import build_questionnaire
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, render
from fhir_pmp.fhir.terminology.code_system import build_code_systems
from fhir_pmp.fhir.terminology.value_set import build_value_set
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Sharing


def build_definitions(clinic: ClinicalContext) -> tuple[RenderedResource, ...]:
    """Builds a clinic's definitions; a resource follows those that it refers to."""
    systems = build_code_systems(clinic)
    terminology = [
        render(one, sharing=Sharing.DEFINITION) for one in (*systems, *map(build_value_set, systems))
    ]
    questionnaires = [build_questionnaire(clinic, instrument) for instrument in clinic.instruments.values()]
    return (build_provider(clinic), *terminology, *questionnaires)
