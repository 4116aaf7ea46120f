"""Answers to bytes: ours beside fhir.resources, and beside the least that must be done."""
