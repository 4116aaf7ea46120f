"""Every error of ours is one of the five, says who must act, and can be told as a valid OperationOutcome."""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator

import pytest

import fhir_pmp
from fhir_pmp.errors import Fault, FhirPmpError, NotAllowed, NotFound, NotUnderstood, Refused, TryLater
from fhir_pmp.fhir.api_responses.operation_outcome import issues_of, write_operation_outcome
from fhir_pmp.settings import SettingsWrong
from fhir_pmp.web.error_responses import describe_error
from tests.r4_schema import find_schema_faults

ERROR_FAMILIES = (NotUnderstood, NotFound, NotAllowed, TryLater, Refused)
STARTUP_ERRORS = (SettingsWrong,)
"""Ends a start with the names of variables; no caller ever meets it."""


def every_error() -> Iterator[type[FhirPmpError]]:
    for module in pkgutil.walk_packages(fhir_pmp.__path__, "fhir_pmp."):
        if ".migrations" not in module.name:
            importlib.import_module(module.name)
    waiting = list(FhirPmpError.__subclasses__())
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


ERRORS = sorted(
    {e for e in every_error() if e.__module__.startswith("fhir_pmp.")}, key=lambda e: e.__qualname__
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__qualname__)
def test_an_error_is_exactly_one_of_the_five_and_its_docstring_says_what_is_true(
    error: type[FhirPmpError],
) -> None:
    if error not in STARTUP_ERRORS:
        assert sum(issubclass(error, kind) for kind in ERROR_FAMILIES) == 1
    assert inspect.getdoc(error), "the docstring is what a caller is told"


@pytest.mark.parametrize(
    "error", [e for e in ERRORS if e not in STARTUP_ERRORS], ids=lambda e: e.__qualname__
)
def test_every_error_is_told_as_a_valid_operation_outcome(error: type[FhirPmpError]) -> None:
    answer = describe_error(_instance_of(error))
    assert 400 <= answer.status < 600
    outcome = json.loads(write_operation_outcome(issues_of(answer.faults, answer.kind)))
    assert find_schema_faults(outcome) == []


def _instance_of(error: type[FhirPmpError]) -> FhirPmpError:
    made = error.__new__(error)
    FhirPmpError.__init__(made, faults=[Fault("Patient.birthDate", "is not a date")])
    if isinstance(made, TryLater):
        made.after_seconds = None
    return made
