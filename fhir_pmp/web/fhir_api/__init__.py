"""Serves the FHIR R4 API under /fhir, for EHRs and the systems of GP practices."""
