"""Runs the sync process: schedules push, pull, letters and episode endings."""

from fhir_pmp.schedule.sync_process import run_once, run_sync

__all__ = ["run_once", "run_sync"]
