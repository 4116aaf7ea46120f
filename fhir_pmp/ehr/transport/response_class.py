"""Gives every HTTP status and network failure exactly one HTTP response class."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fhir_pmp.errors import Refused, TryLater


class HttpResponseClass(StrEnum):
    """What a delivery does next. Source of the classes: the delivery design, docs/guarantees.md."""

    NOT_FINAL = "not_final"  # 1xx: the final status follows
    DONE = "done"  # 200, 201: sent, if the body bears it out
    UNKNOWN = "unknown"  # it may have been done: read and compare before anything else
    CONFLICT = "conflict"  # 409, 412: somebody else wrote, or our own repeat; read, compare, decide
    NOT_FOUND = "not_there"  # 404: on an update the resource may be made anew, if we may choose its id
    MULTIPLE_MATCHES = (
        "several"  # 412 to a conditional write: more than one match, and never "the first"; a person decides
    )
    GONE = "gone"  # 410: deleted in the EHR; a person decides
    REFUSED = "refused"  # this content will never be taken; a person decides
    UNSUPPORTED_INTERACTION = (
        "wrong_way"  # the way of writing is wrong for this server: what it can do is read anew
    )
    RETRY = "retry"  # not now; nothing was done
    RETRY_UNKNOWN = "retry_unknown"  # not now; it may have been done (5xx)
    UNAUTHORIZED = "renew"  # 401: the token, once; then as PAUSE
    PAUSE = "pause"  # configuration or law, not data: stop knocking, call a person


TRANSIENT = frozenset({HttpResponseClass.UNKNOWN, HttpResponseClass.RETRY, HttpResponseClass.RETRY_UNKNOWN})
"""They count towards the breaker, they back off, and a later attempt may well succeed."""

PAUSES = frozenset({HttpResponseClass.PAUSE, HttpResponseClass.UNAUTHORIZED})
"""Not the data but the way in is refused. Without a token of ours to renew, a 401 is as the others."""


def _statuses(*parts: int | range) -> frozenset[int]:
    return frozenset(status for part in parts for status in ([part] if isinstance(part, int) else part))


STATUSES_BY_CLASS: Mapping[HttpResponseClass, frozenset[int]] = {
    HttpResponseClass.NOT_FINAL: _statuses(range(100, 200)),
    HttpResponseClass.DONE: _statuses(200, 201),
    # 202 and the like say that something else answers later; 2xx that nobody listed is no proof either.
    HttpResponseClass.UNKNOWN: _statuses(range(202, 300)),
    HttpResponseClass.CONFLICT: _statuses(409, 412, 428),
    HttpResponseClass.NOT_FOUND: _statuses(404),
    HttpResponseClass.GONE: _statuses(410),
    HttpResponseClass.UNSUPPORTED_INTERACTION: _statuses(
        405, 406, 411, 415, 416, 417, 426, 501, 505, 506, 510
    ),
    HttpResponseClass.RETRY: _statuses(408, 421, 423, 425, 429),
    HttpResponseClass.UNAUTHORIZED: _statuses(401),
    HttpResponseClass.PAUSE: _statuses(402, 403, 407, 451),
}


def classify_status(status: int, *, conditional: bool = False) -> HttpResponseClass:
    """The class of an HTTP status (100-599; any other number proves nothing).

    `conditional`: the request was a conditional create or update, where 412 means that several match.
    """
    if conditional and status == 412:
        return HttpResponseClass.MULTIPLE_MATCHES
    for response_class, statuses in STATUSES_BY_CLASS.items():
        if status in statuses:
            return response_class
    if 300 <= status < 500:
        # 3xx is never followed and no token is sent there; an unlisted 4xx is for a person to look at.
        return HttpResponseClass.REFUSED
    if 500 <= status < 600:
        return HttpResponseClass.RETRY_UNKNOWN
    return HttpResponseClass.UNKNOWN


class WireFailure(TryLater):
    """The destination's answer did not arrive whole, so the request may have been done all the same."""

    response_class = HttpResponseClass.UNKNOWN


class NothingSent(WireFailure):
    """There is no connection to the destination: no such name, nobody listening, or no handshake in time."""

    response_class = HttpResponseClass.RETRY


class TooSlow(WireFailure):
    """The destination did not answer completely in the time allowed."""


class TooLong(WireFailure):
    """The destination's answer is larger than we take from anybody."""


class NotReadable(WireFailure):
    """The destination answered success with a body that is not the FHIR answer it should be."""


class Untrusted(Refused):
    """The destination's certificate is not valid for it. This is never downgraded; the operator looks."""

    response_class = HttpResponseClass.PAUSE


class SignInRefused(Untrusted):
    """The destination's token endpoint does not sign us in. The operator looks at client id, keys and scope."""


class TokenEndpointFailing(WireFailure):
    """The destination's token endpoint does not answer as it should; nothing was asked of the destination itself."""

    response_class = HttpResponseClass.RETRY


class OffOrigin(Refused):
    """An address leads away from the destination. Nothing is asked there and no token is sent."""

    response_class = HttpResponseClass.REFUSED


@dataclass(frozen=True, slots=True)
class ClassifiedResponse:
    """The meaning of one response, for people and the next attempt, without the EHR's text."""

    response_class: HttpResponseClass
    status: int | None = None
    reason: str = ""  # ours, or codes of the EHR's OperationOutcome
    after_seconds: float | None = None  # Retry-After, already capped
