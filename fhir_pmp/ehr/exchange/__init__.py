"""Reads, searches, renders and writes FHIR resources at one EHR."""
