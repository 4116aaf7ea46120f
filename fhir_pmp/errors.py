"""Defines the five families of errors, by who must act.

Subclasses are next to the code that raises them.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the field and a description of the problem.

    It holds neither the field's value nor personal data.
    """

    field: str
    what: str

    def __str__(self) -> str:
        return f"{self.field}: {self.what}" if self.field else self.what


class FhirPmpError(Exception):
    """A refusal: its faults name the fields, its class states who must act."""

    def __init__(self, what: str | None = None, *, field: str = "", faults: Sequence[Fault] = ()) -> None:
        own = (Fault(field, what),) if what is not None else ()
        self.faults: tuple[Fault, ...] = (*own, *faults) or (Fault(field, _first_line(type(self))),)
        super().__init__("; ".join(str(fault) for fault in self.faults))


class NotUnderstood(FhirPmpError):
    """The input is malformed or names something unknown. The sender corrects it and sends it again."""


class NotFound(FhirPmpError):
    """Nothing with that name exists for this caller. The caller checks the name."""


class NotAllowed(FhirPmpError):
    """The request is valid, but the current state forbids it. The caller checks the episode or record."""


class TryLater(FhirPmpError):
    """The request is valid but cannot be carried out now. The caller waits and repeats it."""

    def __init__(
        self, what: str | None = None, *, field: str = "", after_seconds: float | None = None
    ) -> None:
        super().__init__(what, field=field)
        self.after_seconds = after_seconds


class Refused(FhirPmpError):
    """The other system understood the request and refused it. A person has to decide what to do."""


def _first_line(kind: type) -> str:
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0]
