"""Finds, ends and publishes one episode."""
