"""Checks that what arrived is FHIR R4."""
