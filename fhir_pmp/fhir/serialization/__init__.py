"""Reads, writes and compares FHIR JSON, and renders resources for publishing."""
