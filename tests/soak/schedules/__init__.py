"""Random schedules: generated, run step by step, kept as JSON."""
