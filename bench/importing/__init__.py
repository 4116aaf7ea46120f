"""Benchmarks of the import against the bare insertion of the rows that it wrote."""
