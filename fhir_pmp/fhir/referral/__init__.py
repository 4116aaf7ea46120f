"""Reads a GP's referral Bundle and publishes its resources and its Task."""
