"""Builds FHIR R4 resources from our data, and reads and checks the FHIR that we receive."""
