"""What every command does first: read the settings, start the log, open the house."""

import gc
from datetime import UTC, datetime

from fhir_pmp.logs import start_logging
from fhir_pmp.runtime import Runtime, build_runtime
from fhir_pmp.settings import Settings


def now() -> datetime:
    """The moment, aware, UTC."""
    return datetime.now(UTC)


def read_settings() -> Settings:
    """The settings, with the log started as they say. Raises SettingsWrong."""
    settings = Settings.from_environment()
    start_logging(settings.log_level)
    return settings


def start_runtime() -> Runtime:
    """The open house. Raises what is wrong with settings, mappings or database."""
    runtime = build_runtime(read_settings(), now())
    freeze_heap()
    return runtime


def freeze_heap() -> None:
    """What is open now stays until the end: no collection walks it again, least of all while the write lock is held."""
    gc.collect()
    gc.freeze()
