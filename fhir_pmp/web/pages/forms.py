"""Holds the values of a posted form and its faults, field by field."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import request

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.letters.text.letter_facts import LONGEST_FIELD

SEARCH_LABELS = {"number": "Referral number or identifier"}
"""The field of the search form, which two pages show."""


@dataclass
class Form:
    """A form as shown: values by field, and faults by field.

    The field "" holds the fault of the whole form.
    """

    labels: Mapping[str, str]  # field name -> what the page calls it
    values: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def from_request(cls, labels: Mapping[str, str], stored: Mapping[str, str] | None = None) -> "Form":
        """Reads the form of this request.

        A field that was not posted has its `stored` value, or is empty.
        """
        before = stored or {}
        return cls(labels, {name: _posted_value(name, before.get(name, "")) for name in labels})

    def value(self, name: str) -> str:
        """Returns the value of a field."""
        return self.values.get(name, "")

    def require(self, name: str, missing: str) -> None:
        """Adds the fault `missing` where the field is empty."""
        if not self.value(name):
            self.faults.append((name, missing))

    def require_printable(self, name: str) -> None:
        """Adds faults for text that a letter cannot print: too long, or with control characters."""
        text = self.value(name)
        if len(text) > LONGEST_FIELD:
            self.faults.append((name, f"{self.labels[name]} has more than {LONGEST_FIELD} characters"))
        if any(not (character.isprintable() or character in "\n\t") for character in text):
            self.faults.append((name, f"{self.labels[name]} holds a character that cannot be printed"))

    def add_refusal(self, error: FhirPmpError) -> None:
        """Adds the faults of a refusal, each at the field that it names."""
        for fault in error.faults:
            name = fault.field if fault.field in self.labels else ""
            what = fault.what if fault.what[:1].isupper() or not name else f"{self.labels[name]} {fault.what}"
            self.faults.append((name, what[:1].upper() + what[1:]))

    def error(self, name: str) -> str | None:
        """Returns the first fault of a field, or None."""
        return next((what for at, what in self.faults if at == name), None)


def _posted_value(name: str, otherwise: str) -> str:
    return request.form.get(name, otherwise).replace("\r\n", "\n").strip()
