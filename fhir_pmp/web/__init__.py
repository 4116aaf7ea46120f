"""Serves HTTP: the FHIR API, the programme API, webhooks, monitoring and the clinicians' pages.

Views read requests and write responses; decisions are made in `intake`, `letters` and `pathway`.
"""
