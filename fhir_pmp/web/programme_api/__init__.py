"""Serves the programme API under /programme.

The platform sends enrolments and responses, and reads outcomes.
"""
