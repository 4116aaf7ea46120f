"""Builds FHIR R4 resources from our data, and checks the FHIR that we receive."""
