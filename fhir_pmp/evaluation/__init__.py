"""Many people at once: effect sizes, rates and the study's table; never for an individual's letter."""
