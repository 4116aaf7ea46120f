"""Builds the ValueSet of all codes of one of our CodeSystems."""

from fhir_pmp.fhir.serialization.rendered_resource import Resource
from fhir_pmp.identifiers import definition_id


def build_value_set(code_system: Resource) -> Resource:
    """Builds the ValueSet of all codes of that CodeSystem, of the same version."""
    url, version = code_system["valueSet"], code_system["version"]
    return {
        "resourceType": "ValueSet",
        "id": definition_id("valueset", url, version),
        "url": url,
        "version": version,
        "name": f"{code_system['name']}All",
        "title": code_system["title"],
        "status": "active",
        "experimental": False,
        "publisher": code_system["publisher"],
        "compose": {"include": [{"system": code_system["url"]}]},
    }
