"""A small FHIR R4 server that behaves as HAPI was measured to behave; it knows nothing of fhir_pmp."""
