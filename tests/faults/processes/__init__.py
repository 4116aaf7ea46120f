"""Starts, stops and kills real processes of the service."""
