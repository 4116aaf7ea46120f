"""Outcomes become letters that a GP reads: drafted, previewed, signed, replaced; as PDF and as FHIR document."""
