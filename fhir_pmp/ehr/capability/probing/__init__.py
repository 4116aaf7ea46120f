"""Probes what a FHIR server honours, with resources that it creates and removes again."""

from fhir_pmp.ehr.capability.probing.probe_results import Honoured, ProbeFinding, ProbeReport, ProbeResult
from fhir_pmp.ehr.capability.probing.probe_run import probe

__all__ = ["ProbeFinding", "ProbeResult", "Honoured", "ProbeReport", "probe"]
