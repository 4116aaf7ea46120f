"""The five ways to say no, sorted by who must act; each subclass lives beside the code that raises it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where it stands and what is true of it, never the value or a person's words."""

    field: str
    what: str

    def __str__(self) -> str:
        return f"{self.field}: {self.what}" if self.field else self.what


class FhirPmpError(Exception):
    """Something was refused. Its faults name the fields; its class names who must act."""

    def __init__(self, what: str | None = None, *, field: str = "", faults: Sequence[Fault] = ()) -> None:
        own = (Fault(field, what),) if what is not None else ()
        self.faults: tuple[Fault, ...] = (*own, *faults) or (Fault(field, _first_line(type(self))),)
        super().__init__("; ".join(str(fault) for fault in self.faults))


class NotUnderstood(FhirPmpError):
    """What arrived is malformed or names something we do not know. The sender corrects it and sends it again."""


class NotFound(FhirPmpError):
    """There is nothing under that name for this caller. The caller checks the name."""


class NotAllowed(FhirPmpError):
    """It was understood, and the state of things forbids it. The caller looks at the episode or record."""


class TryLater(FhirPmpError):
    """Nothing is wrong with the request; it could not be done now. The caller waits and repeats it."""

    def __init__(
        self, what: str | None = None, *, field: str = "", after_seconds: float | None = None
    ) -> None:
        super().__init__(what, field=field)
        self.after_seconds = after_seconds


class Refused(FhirPmpError):
    """The other side understood and said no. A person has to look."""


def _first_line(kind: type) -> str:
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0]
