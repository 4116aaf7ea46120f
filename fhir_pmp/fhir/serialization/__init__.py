"""Reads, writes and compares FHIR JSON, and holds a resource ready to publish with its search keys."""
