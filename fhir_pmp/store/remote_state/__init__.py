"""Stores what each EHR holds of our resources, its ids for them, its breaker and how far it was read."""
