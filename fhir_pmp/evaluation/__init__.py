"""Evaluates groups of people: effect sizes and rates; never used in an individual's letter."""
