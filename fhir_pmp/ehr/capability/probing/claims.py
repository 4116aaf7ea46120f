"""What a CapabilityStatement claims of one resource type, in the words of the table."""

from collections.abc import Mapping
from typing import Any

SILENT = "says nothing"


class Claims:
    """One server's claims, as they bear on one type."""

    def __init__(self, statement: Mapping[str, Any], kind: str) -> None:
        self._statement = statement
        rest = next((r for r in _tables(statement.get("rest")) if r.get("mode") == "server"), {})
        self._system = {str(i.get("code")) for i in _tables(rest.get("interaction"))}
        self._types = {str(r.get("type")): r for r in _tables(rest.get("resource"))}
        self._type: Mapping[str, Any] = self._types.get(kind, {})

    @property
    def types(self) -> frozenset[str]:
        """Every type it lists."""
        return frozenset(self._types)

    def interactions(self, kind: str) -> frozenset[str]:
        """What it says may be done with a type."""
        return frozenset(str(i.get("code")) for i in _tables(self._types.get(kind, {}).get("interaction")))

    def version(self) -> str:
        """FHIR version and the software's own name."""
        software = self._statement.get("software")
        names = [software.get("name"), software.get("version")] if isinstance(software, dict) else []
        about = " ".join(str(name) for name in names if name)
        return f"FHIR {self._statement.get('fhirVersion')}" + (f", {about}" if about else "")

    def claimed_member(self, name: str) -> str:
        """One member of the type's entry."""
        value = self._type.get(name)
        if value is None:
            return SILENT
        return f"{name}: {str(value).lower() if isinstance(value, bool) else value}"

    def interaction(self, *codes: str) -> str:
        """Whether the type lists these interactions."""
        listed = {str(i.get("code")) for i in _tables(self._type.get("interaction"))}
        return ", ".join(code if code in listed else f"no {code}" for code in codes)

    def system(self, code: str) -> str:
        """Whether the server as a whole lists this interaction."""
        return code if code in self._system else f"no {code}"

    def parameter(self, name: str) -> str:
        """Whether the type lists a search parameter."""
        listed = {str(p.get("name")) for p in _tables(self._type.get("searchParam"))}
        return f"{name} listed" if name in listed else SILENT


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [member for member in value if isinstance(member, dict)] if isinstance(value, list) else []
