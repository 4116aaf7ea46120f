"""Writes JSON log lines with an allow-list of fields.

No personal data reaches a log.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

ALLOWED_FIELDS = frozenset(
    {
        "event", "level", "timestamp", "request_id", "reference", "route", "method", "status", "milliseconds",
        "destination", "delivery", "resource_type", "resource_id", "version", "attempt", "count", "kind", "job",
        "state", "outcome", "outcome_code", "error", "source", "line", "client", "account", "role", "episode", "person",
        "accepted", "repeated", "amended", "refused", "sent", "waiting", "dead", "seconds", "place",
    }
)  # fmt: skip
"""Our keyed ids, codes and counts. Other fields are dropped: no body, query string or external text is logged."""


def start_logging(level: str) -> None:
    """Writes JSON lines to stderr. `level` is debug, info, warning or error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _drop_unlisted_fields,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def error_location(error: BaseException) -> str:
    """Where an unexpected error was raised: its type, file and line, without its text."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    file_and_line = (
        f"{frame.tb_frame.f_code.co_filename.rpartition('fhir_pmp/')[2]}:{frame.tb_lineno}" if frame else "?"
    )
    return f"{type(error).__name__} at {file_and_line}"


def _drop_unlisted_fields(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in line.items() if key in ALLOWED_FIELDS}
