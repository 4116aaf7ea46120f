"""What a clinician typed, kept as it was typed, and what is wrong with it, field by field."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import request

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.letters.text.letter_facts import LONGEST_FIELD

SEARCH_LABELS = {"number": "Referral number or identifier"}
"""The form that looks somebody up; two pages show it."""


@dataclass
class Form:
    """One form as it is shown: the values of its fields, and the faults by field ("" for the whole form)."""

    labels: Mapping[str, str]  # field name -> what the page calls it
    values: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def from_request(cls, labels: Mapping[str, str], stored: Mapping[str, str] | None = None) -> "Form":
        """The form of this request; a field that was not posted is as `kept`, or empty."""
        before = stored or {}
        return cls(labels, {name: _posted_value(name, before.get(name, "")) for name in labels})

    def value(self, name: str) -> str:
        """What stands in the field."""
        return self.values.get(name, "")

    def require(self, name: str, missing: str) -> None:
        """Notes `missing` where the field is empty."""
        if not self.value(name):
            self.faults.append((name, missing))

    def require_printable(self, name: str) -> None:
        """Notes what a letter or a page could not show: the same limits as the letters' fields."""
        text = self.value(name)
        if len(text) > LONGEST_FIELD:
            self.faults.append((name, f"{self.labels[name]} has more than {LONGEST_FIELD} characters"))
        if any(not (character.isprintable() or character in "\n\t") for character in text):
            self.faults.append((name, f"{self.labels[name]} holds a character that cannot be printed"))

    def add_refusal(self, error: FhirPmpError) -> None:
        """Notes why it was refused, beside the field it names."""
        for fault in error.faults:
            name = fault.field if fault.field in self.labels else ""
            what = fault.what if fault.what[:1].isupper() or not name else f"{self.labels[name]} {fault.what}"
            self.faults.append((name, what[:1].upper() + what[1:]))

    def error(self, name: str) -> str | None:
        """The first thing that is wrong with a field."""
        return next((what for at, what in self.faults if at == name), None)


def _posted_value(name: str, otherwise: str) -> str:
    return request.form.get(name, otherwise).replace("\r\n", "\n").strip()
