"""Compares a full push to HAPI with a bare loop that posts the same Bundles."""
