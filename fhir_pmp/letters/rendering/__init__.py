"""Renders letter content as PDF and as FHIR document."""
