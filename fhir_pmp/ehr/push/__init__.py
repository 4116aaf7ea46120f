"""Sends deliveries to an EHR."""
