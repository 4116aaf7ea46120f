"""Benchmarks of a full push to HAPI against a bare loop that posts the same Bundles."""
