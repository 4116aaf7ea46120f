"""Side-by-side measurements: each line a ratio of two ways to do the same, taken in one run."""
