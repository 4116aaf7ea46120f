"""Benchmarks of rendering a response to bytes, against fhir.resources and against a lower bound."""
