"""Drafts, previews, signs and replaces the letters that a GP reads.

They state outcomes, and leave as PDF and as FHIR document.
"""
