"""Questionnaires, responses, and the Observations and Flags computed from them."""
