"""Finds out what a FHIR server truly honours, by resources that it makes and removes again."""

from fhir_pmp.ehr.probing.findings import Finding, Found, Honoured, Probed
from fhir_pmp.ehr.probing.run import probe

__all__ = ["Finding", "Found", "Honoured", "Probed", "probe"]
