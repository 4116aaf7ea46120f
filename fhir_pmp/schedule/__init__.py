"""The sync process: a scheduler wakes push, pull, letters and timekeeping; several such processes share the work."""

from fhir_pmp.schedule.sync_process import run_once, run_sync

__all__ = ["run_once", "run_sync"]
