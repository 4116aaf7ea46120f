"""Receives webhooks from EHRs about changed resources."""
