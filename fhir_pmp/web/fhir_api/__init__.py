"""The door of EHRs and GP systems: FHIR R4, served as published."""
