"""What a FHIR server claims, and what probes have verified."""
