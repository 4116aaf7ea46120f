"""The EHR's FHIR server as a neighbour: what it can do, what we push to it, and how each of its answers is understood."""
