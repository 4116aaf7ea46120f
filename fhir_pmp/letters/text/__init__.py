"""Builds the typed content of a letter from facts and wording."""
