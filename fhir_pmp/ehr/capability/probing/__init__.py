"""Finds out what a FHIR server truly honours, by resources that it makes and removes again."""

from fhir_pmp.ehr.capability.probing.probe_results import Honoured, ProbeFinding, ProbeReport, ProbeResult
from fhir_pmp.ehr.capability.probing.probe_run import probe

__all__ = ["ProbeFinding", "ProbeResult", "Honoured", "ProbeReport", "probe"]
