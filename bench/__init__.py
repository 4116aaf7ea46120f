"""Benchmarks: each line is the ratio of two ways to do one task."""
