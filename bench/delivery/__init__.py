"""Benchmarks of delivery with forty responses a person, to fast, slow and real servers."""
