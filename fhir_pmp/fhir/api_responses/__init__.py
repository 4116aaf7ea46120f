"""Bundles, OperationOutcomes and the CapabilityStatement that our FHIR API answers with."""
