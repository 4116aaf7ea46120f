"""The commands: each says what it did, or in one line what is wrong and who must act."""

from fhir_pmp.cli.main import main

__all__ = ["main"]
