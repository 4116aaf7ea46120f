"""Injects faults into requests, answers, certificates and databases."""
