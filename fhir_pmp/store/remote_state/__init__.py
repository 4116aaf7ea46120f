"""Stores what each EHR holds of our resources.

Also its ids for them, its circuit breaker, and how far it was read.
"""
