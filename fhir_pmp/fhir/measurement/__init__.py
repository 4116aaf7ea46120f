"""Questionnaires, responses, and the Observations and Flags that follow from them."""
