"""Every HTTP status has exactly one class, and it is the one the delivery design gives it."""

from collections.abc import Iterable

import pytest

from fhir_pmp.ehr.transport.response_class import (
    PAUSES,
    STATUSES_BY_CLASS,
    TRANSIENT,
    HttpResponseClass,
    classify_status,
)

# Worked from the classification of every HTTP outcome (delivery design, section 4): the statuses that it lists, and the
# rule that it states for the others of their hundred.
CONTINUES = range(100, 200)
SUCCESS, REDIRECTION = range(202, 300), range(300, 400)
LISTED_4XX = {
    HttpResponseClass.REFUSED: {400, 413, 414, 422, 424, 431},
    HttpResponseClass.UNAUTHORIZED: {401},
    HttpResponseClass.PAUSE: {402, 403, 407, 451},
    HttpResponseClass.NOT_FOUND: {404},
    HttpResponseClass.UNSUPPORTED_INTERACTION: {405, 406, 411, 415, 416, 417, 426},
    HttpResponseClass.RETRY: {408, 421, 423, 425, 429},
    HttpResponseClass.CONFLICT: {409, 412, 428},
    HttpResponseClass.GONE: {410},
}
LISTED_5XX = {
    HttpResponseClass.UNSUPPORTED_INTERACTION: {501, 505, 506, 510},
    HttpResponseClass.RETRY_UNKNOWN: {500, 502, 503, 504, 507, 508, 511},
}
OTHER_4XX = set(range(400, 500)).difference(*LISTED_4XX.values())
OTHER_5XX = set(range(500, 600)).difference(*LISTED_5XX.values())
ROWS: list[tuple[HttpResponseClass, Iterable[int]]] = [
    (HttpResponseClass.NOT_FINAL, CONTINUES),
    (HttpResponseClass.DONE, {200, 201}),
    (HttpResponseClass.UNKNOWN, SUCCESS),
    (HttpResponseClass.REFUSED, REDIRECTION),
    *LISTED_4XX.items(),
    (HttpResponseClass.REFUSED, OTHER_4XX),
    *LISTED_5XX.items(),
    (HttpResponseClass.RETRY_UNKNOWN, OTHER_5XX),
]


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_exactly_one_class_and_it_is_the_designs(status: int) -> None:
    (designed,) = [response_class for response_class, statuses in ROWS if status in statuses]
    assert classify_status(status) is designed
    assert sum(status in statuses for statuses in STATUSES_BY_CLASS.values()) <= 1


def test_no_class_is_both_tried_again_and_a_reason_to_stop_for_everybody() -> None:
    assert TRANSIENT.isdisjoint(PAUSES)


def test_412_to_a_conditional_write_says_that_several_match() -> None:
    assert classify_status(412, conditional=True) is HttpResponseClass.MULTIPLE_MATCHES


@pytest.mark.parametrize("status", [0, 99, 600, 1000])
def test_what_is_no_status_proves_nothing(status: int) -> None:
    assert classify_status(status) is HttpResponseClass.UNKNOWN
