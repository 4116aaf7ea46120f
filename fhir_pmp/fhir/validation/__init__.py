"""Checks that received resources are valid FHIR R4."""
