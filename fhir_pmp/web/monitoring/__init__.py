"""Serves liveness, readiness and metrics for monitoring systems, without personal data."""
