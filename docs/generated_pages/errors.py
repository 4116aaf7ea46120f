"""Generates docs/reference/errors.md from the error classes and the HTTP response classes."""

import importlib
import pkgutil
from collections.abc import Iterator
from itertools import groupby

from werkzeug.exceptions import HTTPException, default_exceptions

import fhir_pmp
from docs.generated_pages.markdown import code, page, table
from fhir_pmp.ehr.transport.response_class import HttpResponseClass, classify_status
from fhir_pmp.errors import FhirPmpError, NotAllowed, NotFound, NotUnderstood, Refused, TryLater
from fhir_pmp.web.error_responses import describe_error

OPENING = "For callers of the APIs and operators. Kind: reference."

ERROR_KINDS = (NotUnderstood, NotFound, NotAllowed, TryLater, Refused)
HTTP_STATUSES = (400, 401, 403, 404, 405, 406, 411, 413, 415, 422, 429)

INTRODUCTION = """There are five kinds of error, sorted by who must act. A subclass may have another status but never changes who acts. A message
names the field and what is wrong with it, never the value and never personal data. `SettingsWrong` is none of the five: it stops
a process before it answers any request. Errors at start, in commands and in the push appear on the terminal, in the log or on the
worklist; the status beside them is what an HTTP caller would get."""

API_SURFACES = """At `/fhir` an error is an OperationOutcome with one issue for each fault, whose `expression` names the element. At `/programme` it is JSON:
`{"status": …, "faults": [{"field": …, "what": …}], "who_acts": …}`. On the pages it is an HTML page. 503 carries `Retry-After`. An
unexpected error is 500 with a reference number only; the operator finds that number in the log as `reference`, with the place in
the program."""

EHR = """An EHR's response is classified by its status. Where the status alone proves nothing, the body is checked as well; see
[how it works](../explanation/how-it-works.md). Every status from 100 to 599 has exactly one class."""

_NEXT = {
    HttpResponseClass.NOT_FINAL: "the final status follows",
    HttpResponseClass.DONE: "sent, if the body confirms it: right type and id, and a location",
    HttpResponseClass.UNKNOWN: "the write may have happened: read and compare first",
    HttpResponseClass.CONFLICT: "read and compare: our version counts as sent; a newer version of ours supersedes it; an older version of ours is overwritten once; a foreign version makes it dead with a work item",
    HttpResponseClass.NOT_FOUND: "on an update the resource is created again where we choose its id; otherwise dead with a work item",
    HttpResponseClass.MULTIPLE_MATCHES: "several resources match a conditional write: dead with a work item; the first match is never chosen",
    HttpResponseClass.GONE: "deleted at the EHR: dead with a work item",
    HttpResponseClass.REFUSED: "dead with a work item",
    HttpResponseClass.UNSUPPORTED_INTERACTION: "dead with a work item; the server's CapabilityStatement is read again",
    HttpResponseClass.RETRY: "retried later; Retry-After is obeyed up to six hours",
    HttpResponseClass.RETRY_UNKNOWN: "retried later, after reading and comparing: the write may have happened",
    HttpResponseClass.UNAUTHORIZED: "with sign-in, the token is renewed and the request repeated once; then as 403",
    HttpResponseClass.PAUSE: "the destination is paused and a work item for an administrator is opened",
}


def errors_page() -> str:
    """Returns the whole page."""
    return page(
        "Errors and statuses",
        OPENING,
        INTRODUCTION,
        table(
            ("kind", "status", "issue code", "who acts"),
            ((code(kind.__name__), *_describe(kind)) for kind in ERROR_KINDS),
        ),
        API_SURFACES,
        "## Every error by its name",
        *(_section(kind) for kind in ERROR_KINDS),
        "## HTTP errors outside the views",
        table(("status", "issue code", "message", "who acts"), (_http(status) for status in HTTP_STATUSES)),
        "## What an EHR's response means for a delivery",
        EHR,
        table(("class", "statuses", "what happens next"), _meanings()),
        "An incomplete response (reset, time-out, truncated, not FHIR) is `unknown`. A refused connection is `retry`. A certificate that is not "
        "valid for the destination is `pause`.",
    )


def _describe(kind: type[FhirPmpError]) -> tuple[int, str, str]:
    description = describe_error(kind("is wrong"))
    return description.status, code(description.kind.value), description.who_acts


def _section(kind: type[FhirPmpError]) -> str:
    rows = ((code(one.__name__), *_describe(one)[:2], _about(one)) for one in _subclasses(kind))
    return f"### {kind.__name__}\n\n{_about(kind)}\n\n" + table(
        ("error", "status", "issue code", "message"), rows
    )


def _about(kind: type[FhirPmpError]) -> str:
    return " ".join((kind.__doc__ or "").split())


def _subclasses(kind: type[FhirPmpError]) -> list[type[FhirPmpError]]:
    _import_everything()
    found: list[type[FhirPmpError]] = []
    waiting = list(kind.__subclasses__())
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__module__.startswith("fhir_pmp.") and not one.__name__.startswith("_"):
            found.append(one)
    return sorted(set(found), key=lambda one: one.__name__)


def _import_everything() -> None:
    """Imports every module, so that all subclasses are known; migrations define none and must not run."""
    for module in pkgutil.walk_packages(fhir_pmp.__path__, "fhir_pmp."):
        if ".migrations." not in module.name:
            importlib.import_module(module.name)


def _http(status: int) -> tuple[int, str, str, str]:
    description = describe_error(_exception(status))
    return (
        description.status,
        code(description.kind.value),
        "; ".join(fault.what for fault in description.faults),
        description.who_acts,
    )


def _exception(status: int) -> HTTPException:
    return default_exceptions[status]()


def _meanings() -> Iterator[tuple[str, str, str]]:
    for response_class in HttpResponseClass:
        statuses = [s for s in range(100, 600) if classify_status(s) is response_class]
        description = (
            "412 to a conditional write"
            if response_class is HttpResponseClass.MULTIPLE_MATCHES
            else _spans(statuses)
        )
        yield code(response_class.value), description, _NEXT[response_class]


def _spans(statuses: list[int]) -> str:
    """`201, 301-308, 404`."""
    description = []
    for _, group in groupby(enumerate(statuses), lambda pair: pair[1] - pair[0]):
        run = [status for _, status in group]
        description.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ", ".join(description)
