"""Shared start of every command: reads the settings, starts logging, builds the runtime."""

import gc
from datetime import UTC, datetime

from fhir_pmp.logs import start_logging
from fhir_pmp.runtime import Runtime, build_runtime
from fhir_pmp.settings import Settings


def now() -> datetime:
    """Returns the current time, aware, in UTC."""
    return datetime.now(UTC)


def read_settings() -> Settings:
    """Reads the settings and starts logging at their level. Raises SettingsWrong."""
    settings = Settings.from_environment()
    start_logging(settings.log_level)
    return settings


def start_runtime() -> Runtime:
    """Builds the runtime. Raises the faults of settings, mappings or database."""
    runtime = build_runtime(read_settings(), now())
    freeze_heap()
    return runtime


def freeze_heap() -> None:
    """Excludes all present objects from garbage collection.

    They live until the process ends; collecting them would only prolong the time a write lock is held.
    """
    gc.collect()
    gc.freeze()
