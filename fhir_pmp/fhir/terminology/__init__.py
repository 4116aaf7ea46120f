"""Canonicals, code systems and value sets: the published ones we use, and our own."""
