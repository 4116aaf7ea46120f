"""Drafts, previews, signs, replaces and reviews letters."""
