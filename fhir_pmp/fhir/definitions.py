"""Everything that is published at start and is nobody's data: Questionnaires, CodeSystems, ValueSets, our Organization."""

from fhir_pmp.fhir.code_system import code_systems
from fhir_pmp.fhir.organization import build_provider
from fhir_pmp.fhir.questionnaire import build_questionnaire
from fhir_pmp.fhir.rendered import Rendered, render
from fhir_pmp.fhir.value_set import value_set
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import Sharing


def build_definitions(clinic: Clinic) -> tuple[Rendered, ...]:
    """The definitions of a clinic, what is referred to before what refers to it."""
    systems = code_systems(clinic)
    terminology = [render(one, sharing=Sharing.DEFINITION) for one in (*systems, *map(value_set, systems))]
    questionnaires = [build_questionnaire(clinic, instrument) for instrument in clinic.instruments.values()]
    return (build_provider(clinic), *terminology, *questionnaires)
