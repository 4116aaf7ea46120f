"""Benchmarks: each line is the ratio of two ways to do the same, measured in one run."""
