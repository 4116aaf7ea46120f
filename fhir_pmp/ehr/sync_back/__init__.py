"""Reads an EHR: pull, change notifications and reconcile."""
