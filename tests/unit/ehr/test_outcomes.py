"""Every HTTP status has exactly one class, and it is the one the delivery design gives it."""

import pytest

from fhir_pmp.ehr.outcomes import LISTED, Meaning, meaning_of

# Worked from the classification of every HTTP outcome (delivery design, section 4).
WORKED = {
    Meaning.NOT_FINAL: [100, 101, 103, 199],
    Meaning.DONE: [200, 201],
    Meaning.UNKNOWN: [202, 203, 204, 208, 226, 299],
    Meaning.REFUSED: [300, 301, 302, 303, 304, 307, 308, 399, 400, 413, 414, 418, 422, 424, 431, 499],
    Meaning.CONFLICT: [409, 412, 428],
    Meaning.NOT_THERE: [404],
    Meaning.GONE: [410],
    Meaning.WRONG_WAY: [405, 406, 411, 415, 416, 417, 426, 501, 505, 506, 510],
    Meaning.RETRY: [408, 421, 423, 425, 429],
    Meaning.RETRY_UNKNOWN: [500, 502, 503, 504, 507, 508, 511, 520, 599],
    Meaning.RENEW: [401],
    Meaning.PAUSE: [402, 403, 407, 451],
}


@pytest.mark.parametrize("status", range(100, 600))
def test_a_status_stands_in_one_class_at_most_and_has_one(status: int) -> None:
    assert sum(status in statuses for statuses in LISTED.values()) <= 1
    assert isinstance(meaning_of(status), Meaning)


@pytest.mark.parametrize(("meaning", "status"), [(m, s) for m, statuses in WORKED.items() for s in statuses])
def test_a_status_means_what_the_design_says(meaning: Meaning, status: int) -> None:
    assert meaning_of(status) is meaning


def test_412_to_a_conditional_write_says_that_several_match() -> None:
    assert meaning_of(412, conditional=True) is Meaning.SEVERAL


@pytest.mark.parametrize("status", [0, 99, 600, 1000])
def test_what_is_no_status_proves_nothing(status: int) -> None:
    assert meaning_of(status) is Meaning.UNKNOWN
