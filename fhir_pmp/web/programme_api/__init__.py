"""Serves the programme API under /programme: the platform sends enrolments and responses, and reads outcomes."""
