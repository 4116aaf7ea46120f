"""docs/reference/errors.md, from the errors, their translator and the classes of an EHR's answers."""

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

OPENING = "For those who call us, operate us or read our answers. Kind: reference."

ERROR_KINDS = (NotUnderstood, NotFound, NotAllowed, TryLater, Refused)
HTTP_STATUSES = (400, 401, 403, 404, 405, 406, 411, 413, 415, 422, 429)

INTRODUCTION = """There are five ways to say no, sorted by who must act. A narrower error may answer with another status and never changes who acts. A
message names the field and what is true of it, never the value and never a person's words. `SettingsWrong` is none of the five:
it stops a process before it could answer anybody. Errors of start, of commands and of the push are told on the terminal, in the
log or on the worklist; the status beside them is what a caller at one of the doors would be told."""

API_SURFACES = """At `/fhir` an error is an OperationOutcome, one issue for each fault, with `expression` naming the place. At `/programme` it is JSON:
`{"status": …, "faults": [{"field": …, "what": …}], "who_acts": …}`. On the pages it is a page. 503 carries `Retry-After`. The unexpected is
500 with a number and nothing else; the operator finds that number in the log as `reference`, with the place in the program."""

EHR = """An EHR's answer is judged by its status alone only where the status proves something; what the classes do next is told in
[how it works](../explanation/how-it-works.md). Every status from 100 to 599 has exactly one class."""

_NEXT = {
    HttpResponseClass.NOT_FINAL: "the final status follows",
    HttpResponseClass.DONE: "sent, if the body bears it out: right type, id and a place",
    HttpResponseClass.UNKNOWN: "it may have been done: read and compare before anything else",
    HttpResponseClass.CONFLICT: "read and compare: ours is sent, a newer one of ours supersedes, an older one of ours is written over once, somebody else's is dead with a work item",
    HttpResponseClass.NOT_FOUND: "on an update the resource is made anew where we choose its id; else dead with a work item",
    HttpResponseClass.MULTIPLE_MATCHES: "to a conditional write: several match; dead with a work item, never the first of them",
    HttpResponseClass.GONE: "deleted there: dead with a work item",
    HttpResponseClass.REFUSED: "dead with a work item",
    HttpResponseClass.UNSUPPORTED_INTERACTION: "dead with a work item; what the server can do is read anew",
    HttpResponseClass.RETRY: "the same later; Retry-After obeyed up to six hours",
    HttpResponseClass.RETRY_UNKNOWN: "the same later, read and compared first: it may have been done",
    HttpResponseClass.UNAUTHORIZED: "where we sign in, the token is renewed once and the request made once more; then as 403",
    HttpResponseClass.PAUSE: "the destination is paused and an administrator called",
}


def errors_page() -> str:
    """The page, whole."""
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
        "## Before and around a view",
        table(
            ("status", "issue code", "what is said", "who acts"), (_http(status) for status in HTTP_STATUSES)
        ),
        "## What an EHR's answer means for a delivery",
        EHR,
        table(("class", "statuses", "what happens next"), _meanings()),
        "An answer that does not arrive whole (reset, time-out, truncated, not FHIR) is `unknown`. No connection at all is `retry`. A certificate "
        "that is not valid for the destination is `pause`.",
    )


def _describe(kind: type[FhirPmpError]) -> tuple[int, str, str]:
    description = describe_error(kind("is wrong"))
    return description.status, code(description.kind.value), description.who_acts


def _section(kind: type[FhirPmpError]) -> str:
    rows = ((code(one.__name__), *_describe(one)[:2], _about(one)) for one in _subclasses(kind))
    return f"### {kind.__name__}\n\n{_about(kind)}\n\n" + table(
        ("error", "status", "issue code", "what is true"), rows
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
    """A class is known once its module is imported; the migrations run when they are, and raise nothing of ours."""
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
